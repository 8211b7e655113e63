"""The reconciler: whatever waits in the catalogue gets a worker, whatever happened to the queue."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from upload_service.catalog import MAX_IDS, Catalog
from upload_service.claims import Claims
from viewfinder.blobs import OriginalStore
from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import Wake

log = structlog.get_logger()

_ORPHAN_AGE_S = 3600.0


class Waker(Protocol):
    """The queue, as far as the catalogue needs it; WorkQueue is one. Blocking."""

    def wake_all(self) -> Wake:
        """Have all workers look into the catalogue."""
        ...

    def reap(self) -> None:
        """Put jobs of dead workers back. Raises ServiceUnavailable."""
        ...


class Reconciler:
    """Wakes workers at once for new pictures, and every `interval_s` for all that waits."""

    def __init__(self, claims: Claims, queue: Waker, interval_s: float) -> None:
        self._claims = claims
        self._queue = queue
        self._interval_s = interval_s
        self._loop = asyncio.get_running_loop()
        self._new_work = asyncio.Event()
        self._queue_answers = True

    def work_arrived(self) -> None:
        """Wake the workers soon; many calls become one. From any thread."""
        self._loop.call_soon_threadsafe(self._new_work.set)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_on_arrival())
            tasks.create_task(self._look_regularly())

    async def _wake_on_arrival(self) -> None:
        while True:
            await self._new_work.wait()
            self._new_work.clear()
            self._note(await asyncio.to_thread(self._queue.wake_all))

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await asyncio.to_thread(self._queue.reap)
            except ServiceUnavailable:
                self._note(Wake.QUEUE_AWAY)
                continue
            if await asyncio.to_thread(self._claims.due):
                self._note(await asyncio.to_thread(self._queue.wake_all))
            else:
                self._note(Wake.ALREADY_AWAKE)

    def _note(self, wake: Wake) -> None:
        answers = wake is not Wake.QUEUE_AWAY
        if answers != self._queue_answers:
            self._queue_answers = answers
            if answers:
                log.info("the queue answers again")
            else:
                log.warning("the queue does not answer; uploads are kept and will be indexed later")


def remove_orphans(catalog: Catalog, originals: OriginalStore) -> int:
    """Remove originals that no row names: a crash came between blob and row, and nobody was told.

    Only those older than an hour. Blocking; returns how many.
    """
    removed = 0
    some: list[str] = []

    def sweep() -> int:
        orphans = catalog.unknown_keys(some)
        for key in orphans:
            originals.delete(key)
        some.clear()
        return len(orphans)

    for key in originals.keys_older_than(_ORPHAN_AGE_S):
        some.append(key)
        if len(some) == MAX_IDS // 2:
            removed += sweep()
    return removed + sweep()
