"""Writes that are acknowledged only once caches know of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def _nobody() -> None:
    """No cache is there."""


async def _always() -> bool:
    return True


class TellingWrites:
    """Runs writes to their end and then tells caches, whatever becomes of the caller."""

    def __init__(self) -> None:
        self.tell_caches: Callable[[], Awaitable[None]] = _nobody
        """Awaited after every change of what searches find, also a failed one, before it is
        acknowledged."""
        self._writing: set[asyncio.Task[Any]] = set()

    async def told(
        self, writing: Coroutine[Any, Any, T], matters: Callable[[], Awaitable[bool]] = _always
    ) -> T:
        """The write's result, once caches know. Goes on when the caller leaves: what the engine
        has begun it ends. `matters` is asked afterwards: a switch meanwhile tells for itself."""

        async def write_and_tell() -> T:
            try:
                return await writing
            finally:
                if await matters():
                    await self.tell_caches()

        task = asyncio.create_task(write_and_tell())
        self._writing.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    async def all_written(self) -> None:
        """Return when nothing is being written any more."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have left; then nobody else asks


async def on_each(writes: list[Awaitable[T]]) -> list[T]:
    """The results of all; waits for all, also when one fails: caches are told after the last."""
    if not writes:
        return []
    writing = [asyncio.ensure_future(write) for write in writes]
    await asyncio.wait(writing)
    return [one.result() for one in writing]
