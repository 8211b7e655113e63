"""The reconciler: whatever waits in the catalogue gets a worker, whatever happened to the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from upload_service.claims import Claims
from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import Wake

log = structlog.get_logger()


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
        self._last_fault: type[Exception] | None = None

    def work_arrived(self) -> None:
        """Wake the workers soon; many calls become one. From any thread."""
        self._loop.call_soon_threadsafe(self._new_work.set)

    async def run(self) -> None:
        """Until cancelled."""
        # At once: a worker may hold what a predecessor gave it without hearing of it.
        self._new_work.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_on_arrival())
            tasks.create_task(self._look_regularly())

    async def _wake_on_arrival(self) -> None:
        while True:
            await self._new_work.wait()
            self._new_work.clear()
            await self._guarded(self._queue.wake_all)

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._guarded(self._look)

    def _look(self) -> Wake:
        try:
            self._queue.reap()
        except ServiceUnavailable:
            return Wake.QUEUE_AWAY
        return self._queue.wake_all() if self._claims.due() else Wake.ALREADY_AWAKE

    async def _guarded(self, look: Callable[[], Wake]) -> None:
        """This loop is what recovers everything else, so no fault may end it; it looks again."""
        try:
            self._note(await asyncio.to_thread(look))
        except Exception as error:
            if type(error) is not self._last_fault:
                log.exception("the reconciler goes on after a fault")
            self._last_fault = type(error)
        else:
            self._last_fault = None

    def _note(self, wake: Wake) -> None:
        answers = wake is not Wake.QUEUE_AWAY
        if answers != self._queue_answers:
            self._queue_answers = answers
            if answers:
                log.info("the queue answers again")
            else:
                log.warning("the queue does not answer; uploads are kept and will be indexed later")
