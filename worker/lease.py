"""An RQ worker that stays one process and whose jobs are leases.

RQ's own SimpleWorker sends no heartbeat while a job runs, so a job of a killed worker would count
as started for minutes; its forking Worker breaks gRPC channels that are open. Here a thread
prolongs the lease, and the loop waits out a queue that is away (rq 2.12's own one ends, or writes
an error for each try).
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import BEAT_S, LEASE_S, WorkQueue, queue_name
from worker.batch import StoppedWaiting, StopSignal
from worker.jobs import JobContext, run_in_context

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger()

_POLL_S = 1  # how long one look into the queue blocks
_SHORTEST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_WORKER_TTL_S = 16  # RQ waits for an answer of the server 5 s less than this


class LeaseWorker(SimpleWorker):
    """Runs the jobs of one queue in this process, each under a lease that a thread prolongs."""

    def __init__(
        self,
        queue_index: int,
        connection: Redis,
        context: JobContext,
        stop: StopSignal,
        lease_s: int = LEASE_S,
        beat_s: float = BEAT_S,
    ) -> None:
        super().__init__(
            [queue_name(queue_index)],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_WORKER_TTL_S,
            log_job_description=False,
        )
        self._context = context
        self._stop = stop
        self._lease_s = lease_s
        self._beat_s = beat_s

    def get_heartbeat_ttl(self, job: Job) -> int:  # noqa: ARG002 - RQ's signature
        """Seconds that the job is ours without another beat."""
        return self._lease_s

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run one job here and now."""
        self.prepare_execution(job)
        with self._beating(job):
            self.perform_job(job, queue)
        self.set_state(WorkerStatus.IDLE)

    def perform_job(self, job: Job, queue: Queue) -> bool:
        """Run the job's function with this worker's collaborators bound."""
        return run_in_context(
            self._context, lambda: bool(super(LeaseWorker, self).perform_job(job, queue))
        )

    def take(self) -> tuple[Job, Queue] | None:
        """The next job, or None when none came for a moment, or a signal to stop.

        A job that had just been taken then is put back by `WorkQueue.recover`, as that of a worker
        that was killed.

        Raises:
            RedisError: the queue is away.
        """
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
        self.heartbeat()
        try:
            with self._stop.waiting():
                found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
                    self.queues,
                    _POLL_S,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
        except (DequeueTimeout, StoppedWaiting):
            return None
        return found

    @contextmanager
    def _beating(self, job: Job) -> Iterator[None]:
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(self._beat_s):
                if self.execution is not None:
                    with suppress(RedisError):
                        self.maintain_heartbeats(job)

        thread = threading.Thread(target=beat, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


class WorkLoop:
    """Works on one queue until it is told to stop, however often the queue goes away."""

    def __init__(
        self,
        queue_index: int,
        connection: Redis,
        queue: WorkQueue,
        context: JobContext,
        stop: StopSignal,
        **lease: Any,
    ) -> None:
        self._queue_index = queue_index
        self._connection = connection
        self._queue = queue
        self._context = context
        self._stop = stop
        self._lease = lease
        self._away_since_s: float | None = None

    def run(self) -> None:
        """Return when `stop` is set and the job in hand is done."""
        # What went wrong is said once, here; RQ's own lines repeat it for every step it breaks.
        logging.getLogger("rq").setLevel(logging.CRITICAL)
        for name in ("rq.worker", "rq.job", "rq.queue", "rq.registry"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        wait_s = _SHORTEST_WAIT_S
        while not self._stop.is_set:
            try:
                self._work_while_connected()
                wait_s = _SHORTEST_WAIT_S
            except (RedisError, ServiceUnavailable) as error:
                if self._away_since_s is None:
                    self._away_since_s = time.monotonic()
                    wait_s = _SHORTEST_WAIT_S
                    log.warning("the queue is away, trying on", reason=str(error))
                with suppress(StoppedWaiting), self._stop.waiting():
                    time.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _work_while_connected(self) -> None:
        self._connection.ping()
        worker = LeaseWorker(
            self._queue_index, self._connection, self._context, self._stop, **self._lease
        )
        worker.register_birth()  # type: ignore[no-untyped-call]
        try:
            self._queue.recover(self._queue_index)
            # What came while nobody was here may have lost its hint.
            self._queue.wake(self._queue_index)
            self._say_connected()
            worker.set_state(WorkerStatus.IDLE)
            while not self._stop.is_set:
                taken = worker.take()
                if taken is not None:
                    worker.execute_job(*taken)
        finally:
            with suppress(RedisError):
                worker.register_death()  # type: ignore[no-untyped-call]

    def _say_connected(self) -> None:
        if self._away_since_s is None:
            log.info("working", queue=queue_name(self._queue_index))
        else:
            away_s = round(time.monotonic() - self._away_since_s, 1)
            log.info("the queue is back", away_s=away_s)
        self._away_since_s = None
