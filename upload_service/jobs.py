"""Jobs: uploads that are watched together until all of them are searchable."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STORED
from upload_service.tables import Image, JobImage
from upload_service.tables import Job as JobRow
from viewfinder.errors import JobNotFound, ServiceUnavailable

MAX_FAILURES = 100
# A watcher rests longer with every look: news of one picture come at once, of thousands in steps.
_FIRST_REST_S = 0.01
_LONGEST_REST_S = 0.1
_SHARE_OF_TIME = 10  # of a large job it spends at most a tenth of its time counting
_QUICK_COUNT_S = 0.01
_LONGEST_SILENCE_S = 5.0


@dataclass(frozen=True)
class Failure:
    """A picture that could not be indexed."""

    image_id: str
    file_name: str
    reason: str


@dataclass(frozen=True)
class Job:
    """How far a job has come."""

    job_id: str
    total: int
    stored: int
    indexed: int
    failed: int
    gone: int
    failures: list[Failure]
    created_at: float

    @property
    def done(self) -> bool:
        """Nothing of it waits any more."""
        return self.stored == 0


class Changes:
    """Tells watchers in the event loop that something changed; `notify` may come from a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.stopped = False

    def stop(self) -> None:
        """There will be no more news: watchers are sent away. From the event loop."""
        self.stopped = True
        self._wake()

    def notify(self) -> None:
        """Wake everybody who waits."""
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set with the next change after now; take it before looking, so that none is missed."""
        return self._changed


class Jobs:
    """Reads the progress of jobs from the catalogue."""

    def __init__(self, engine: Engine, changes: Changes) -> None:
        self._engine = engine
        self._changes = changes

    def get(self, job_id: str) -> Job:
        """A job as it stands. Blocking.

        Raises:
            JobNotFound: there is none.
        """
        with Session(self._engine) as session:
            row = session.get(JobRow, job_id)
            if row is None:
                raise JobNotFound(job_id=job_id)
            of_job = (
                select(Image.state, func.count())
                .select_from(JobImage)
                .outerjoin(Image, Image.id == JobImage.image_id)
                .where(JobImage.job_id == job_id)
                .group_by(Image.state)
            )
            counts: Counter[str | None] = Counter()
            for state, count in session.execute(of_job):
                counts[state] = count
            failures = []
            if counts[FAILED]:
                failed = (
                    select(Image.id, Image.file_name, Image.failure, Image.page)
                    .join(JobImage, Image.id == JobImage.image_id)
                    .where(JobImage.job_id == job_id, Image.state == FAILED)
                    .order_by(Image.seq)
                    .limit(MAX_FAILURES)
                )
                failures = [
                    Failure(image_id, f"{name}, page {page}" if page else name, reason)
                    for image_id, name, reason, page in session.execute(failed)
                ]
        return Job(
            job_id=job_id,
            total=counts.total(),
            stored=counts[STORED] + counts[QUEUED],
            indexed=counts[INDEXED],
            failed=counts[FAILED],
            gone=counts[None] + counts[DELETING],
            failures=failures,
            created_at=row.created_at,
        )

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now, then again after every change, until it is done.

        Raises:
            JobNotFound: there is none.
            ServiceUnavailable: the service stops; watch again.
        """
        last: Job | None = None
        for look in itertools.count(1):
            began = time.monotonic()
            if self._changes.stopped:
                raise ServiceUnavailable(service="upload_service", reason="it is stopping")
            changed = self._changes.next()
            job = await asyncio.to_thread(self.get, job_id)
            counting_s = time.monotonic() - began
            if job != last:
                yield job
                last = job
            if job.done:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LONGEST_SILENCE_S)
            rest_s = min(look * _FIRST_REST_S, _LONGEST_REST_S)
            await asyncio.sleep(max(rest_s, _SHARE_OF_TIME * (counting_s - _QUICK_COUNT_S)))
