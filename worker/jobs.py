"""The functions that stand in the queue. They run inside `worker.lease.LeaseWorker`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar

import structlog
from rq import get_current_job

from viewfinder.errors import DeadlineExceeded, ServiceUnavailable
from viewfinder.queue import WorkQueue
from worker.batch import BatchRunner, BatchSummary

log = structlog.get_logger()


class JobContext:
    """What the jobs of one worker process work with.

    RQ calls a job by its name and hands over nothing but JSON; the worker binds this around it.
    """

    def __init__(self, runner: BatchRunner, queue: WorkQueue) -> None:
        self._runner = runner
        self._queue = queue
        self._catalog_away = False
        self._unfinished: str | None = None

    def process_pending(self, queue_index: int, claim_id: str) -> None:
        """One batch; when more waits, the next job follows."""
        with structlog.contextvars.bound_contextvars(request_id=claim_id):
            self._process_pending(queue_index, claim_id)

    def _process_pending(self, queue_index: int, claim_id: str) -> None:
        with suppress(ServiceUnavailable):  # the flag then runs out by itself
            self._queue.mark_looking(queue_index)
        claim_id = self._unfinished or claim_id
        try:
            summary = self._runner.run(claim_id)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            # It may have given us pictures without our hearing of it: the same claim gets them at
            # once, another one only when their lease has run out.
            self._unfinished = claim_id
            # Its reconciler wakes us when it is back; retrying here would only add to the noise.
            if not self._catalog_away:
                log.warning("the catalogue is away", reason=error.message)
            self._catalog_away = True
            return
        self._catalog_away, self._unfinished = False, None
        if summary.look_again:
            self._queue.wake(queue_index)
        if summary != BatchSummary(more=summary.more):
            log.info(
                "batch done",
                indexed=summary.indexed,
                reindexed=summary.reindexed,
                embedded_pages=summary.embedded_pages,
                read=summary.read,
                refreshed=summary.refreshed,
                deleted=summary.deleted,
                failed=summary.failed,
                given_back=summary.given_back,
                more=summary.more,
            )


_context: ContextVar[JobContext] = ContextVar("job_context")


def run_in_context(context: JobContext, action: Callable[[], bool]) -> bool:
    """Run `action` with the jobs inside of it bound to `context`."""
    token = _context.set(context)
    try:
        return action()
    finally:
        _context.reset(token)


def process_pending(queue_index: int) -> None:
    """RQ job: look into the catalogue for work and do one batch of it.

    The job's id is the claim's id, so a job that runs again gets the same rows again.
    """
    job = get_current_job()
    if job is None:
        raise RuntimeError("process_pending runs in a worker only")
    try:
        _context.get().process_pending(queue_index, job.id)
    except Exception:
        log.exception("job failed, it will run again")
        raise
