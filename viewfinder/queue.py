"""The queue between intake and workers: a hint that work waits, never the work itself.

What is to be done stands in the catalogue. Here one short job a queue says "look there". Losing
all of Redis therefore loses nothing: the catalogue's reconciler wakes the workers again.

Each worker process listens to one queue of its own: a worker on several queues loses jobs when it
is killed (measured, rq 2.12). A running job is a lease of `LEASE_S` seconds that its worker
prolongs every `BEAT_S`; `reap` puts jobs whose lease ran out back into their queue.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import redis
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as ConnectionRetry
from rq import Queue, Retry, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from viewfinder.errors import ServiceUnavailable
from viewfinder.settings import SharedSettings

JOB_FUNCTION = "worker.jobs.process_pending"
LEASE_S = 12
BEAT_S = 3
ALIVE_S = 15

_QUEUE_PREFIX = "viewfinder-index-"
_WAKE_PREFIX = "viewfinder:wake:"
_WAKE_TTL_S = 30
_MAX_RUNS = 5  # of one job whose worker dies; the catalogue's reconciler makes new ones after that
_JOB_TIMEOUT_S = 300  # the last resort: everything a job does has a shorter limit of its own
_RESULT_TTL_S = 10
_FAILURE_TTL_S = 3600
_ANY_LEASE_S = 3600  # longer than any lease that may still run
_QUICK_TIMEOUT_S = 0.5


class Wake(Enum):
    """What became of a call to wake a worker."""

    WOKEN = "woken"
    ALREADY_AWAKE = "already awake"
    """A job that has not looked yet is waiting; it will see this work too."""
    QUEUE_AWAY = "queue away"
    """Redis does not answer. Nothing is lost: the reconciler wakes the worker later."""


def queue_name(queue_index: int) -> str:
    """The RQ queue of worker number `queue_index` (from 0)."""
    return f"{_QUEUE_PREFIX}{queue_index}"


def connect(settings: SharedSettings, timeout_s: float = _QUICK_TIMEOUT_S) -> Redis:
    """A client of the bundled Valkey, or of REDIS_HOST where that is set. Opens nothing yet.

    Every command answers or fails within about `timeout_s`, twice that when the connection was
    lost meanwhile; so a queue that is away never holds up an upload.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        # One more try: a pooled connection may be of a server that was restarted meanwhile.
        "retry": ConnectionRetry(NoBackoff(), 1),
        "health_check_interval": 0,
    }
    if settings.redis_host:
        return Redis(
            host=settings.redis_host,
            port=settings.redis_port,
            password=settings.redis_password or None,
            **options,
        )
    return Redis(unix_socket_path=str(settings.redis_socket), **options)


class WorkQueue:
    """The queues of all index workers, by number. Blocking, quick, safe to share among threads."""

    def __init__(self, connection: Redis, workers: int = 1) -> None:
        self._connection = connection
        self._workers = workers

    @classmethod
    def of(cls, settings: SharedSettings) -> WorkQueue:
        """The queues these settings describe."""
        return cls(connect(settings), settings.index_workers)

    def rq_queue(self, queue_index: int) -> Queue:
        """RQ's own object for this queue."""
        return Queue(
            queue_name(queue_index), connection=self._connection, serializer=JSONSerializer
        )

    def wake(self, queue_index: int = 0) -> Wake:
        """Have worker `queue_index` look for work; many calls in a row become one job.

        Call it after the work is durable in the catalogue. Never raises for a Redis that is away.
        """
        flag = f"{_WAKE_PREFIX}{queue_index}"
        try:
            if not self._connection.set(flag, 1, nx=True, ex=_WAKE_TTL_S):
                return Wake.ALREADY_AWAKE
            queue = self.rq_queue(queue_index)
            if queue.count > 0:  # its worker is down, the flag ran out: one waiting job is enough
                return Wake.ALREADY_AWAKE
            queue.enqueue(
                JOB_FUNCTION,
                queue_index,
                # Without intervals: those need RQ's scheduler, which forks.
                retry=Retry(max=_MAX_RUNS),
                job_timeout=_JOB_TIMEOUT_S,
                result_ttl=_RESULT_TTL_S,
                failure_ttl=_FAILURE_TTL_S,
                description=f"process pending ({queue_index})",
            )
        except RedisError:
            return Wake.QUEUE_AWAY
        return Wake.WOKEN

    def wake_all(self) -> Wake:
        """Wake every worker; WOKEN when at least one was."""
        outcomes = {self.wake(index) for index in range(self._workers)}
        return next(o for o in (Wake.WOKEN, Wake.QUEUE_AWAY, Wake.ALREADY_AWAKE) if o in outcomes)

    def mark_looking(self, queue_index: int) -> None:
        """A job's first act: from now on a wake makes a new job.

        Raises:
            ServiceUnavailable: Redis does not answer; the flag then runs out by itself.
        """
        try:
            self._connection.delete(f"{_WAKE_PREFIX}{queue_index}")
        except RedisError as error:
            raise queue_away(error) from error

    def reap(self) -> None:
        """Put jobs whose worker stopped beating back into their queues. Call it every few seconds.

        Raises:
            ServiceUnavailable: Redis does not answer.
        """
        try:
            for index in range(self._workers):
                StartedJobRegistry(queue=self.rq_queue(index)).cleanup()
        except RedisError as error:
            raise queue_away(error) from error

    def recover(self, queue_index: int) -> None:
        """Put back at once whatever a dead predecessor held; for the queue's only worker, at start.

        Repeating a job is safe: its id is its claim, and the same claim gets the same rows.

        Raises:
            ServiceUnavailable: Redis does not answer.
        """
        queue = self.rq_queue(queue_index)
        try:
            StartedJobRegistry(queue=queue).cleanup(timestamp=time.time() + _ANY_LEASE_S)
            # Taken from the queue, but its worker died before it began.
            for job_id in queue.intermediate_queue.get_job_ids():
                queue.intermediate_queue.remove(job_id)
                if _is_stored(job_id, self._connection):
                    queue.push_job_id(job_id, at_front=True)
        except RedisError as error:
            raise queue_away(error) from error

    def depth(self) -> int:
        """How many jobs wait in all queues.

        Raises:
            ServiceUnavailable: Redis does not answer.
        """
        try:
            return sum(self.rq_queue(index).count for index in range(self._workers))
        except RedisError as error:
            raise queue_away(error) from error

    def ping(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._connection.ping())
        except RedisError:
            return False

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()


def worker_is_alive(settings: SharedSettings, queue_index: int) -> bool:
    """Whether a worker of this queue was heard of within the last `ALIVE_S` seconds."""
    connection = connect(settings, timeout_s=2.0)
    try:
        queue = Queue(queue_name(queue_index), connection=connection, serializer=JSONSerializer)
        workers = SimpleWorker.all(queue=queue)
    except RedisError:
        return False
    finally:
        connection.close()
    heard = [worker.last_heartbeat for worker in workers if worker.last_heartbeat is not None]
    return any((datetime.now(UTC) - moment).total_seconds() < ALIVE_S for moment in heard)


def queue_away(error: redis.RedisError) -> ServiceUnavailable:
    """The error for people behind one of the Redis client."""
    return ServiceUnavailable(service="queue", reason=str(error) or type(error).__name__)


def _is_stored(job_id: str, connection: Redis) -> bool:
    try:
        Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
    except NoSuchJobError:
        return False
    return True
