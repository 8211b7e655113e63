"""Renditions, each made once however many ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from uuid import UUID

import structlog
from cachetools import TTLCache

from image_service.original import Original
from image_service.rendition_cache import RenditionCache, RenditionKey
from viewfinder.errors import ImageNotFound, Overloaded, ViewfinderError

log = structlog.get_logger()

_REMEMBERED_FAILURES = 1000
_FAILURE_S = 60.0  # a crash may have had another reason than the picture


# Makes one rendition of an original; blocking, FileNotFoundError without one.
Renderer = Callable[[Original, RenditionKey], bytes]


class Renditions:
    """The cache, and behind it the work: one render for each key, however many wait for it.

    `executor` runs renders (as many at once as it has threads); at most `max_waiting` are accepted.
    """

    def __init__(
        self,
        cache: RenditionCache,
        render: Renderer,
        executor: Executor,
        widths: Sequence[int],
        max_waiting: int,
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._render = render
        self._executor = executor
        self._widths = sorted(widths)
        self._max_waiting = max_waiting
        self._in_flight: dict[RenditionKey, asyncio.Task[bytes]] = {}
        self._dropped: set[RenditionKey] = set()
        self._failures: TTLCache[RenditionKey, ViewfinderError] = TTLCache(
            _REMEMBERED_FAILURES, _FAILURE_S, timer=clock
        )

    @property
    def in_flight(self) -> int:
        """Renditions that are being made, or wait for it."""
        return len(self._in_flight)

    def allowed_width(self, wanted: int) -> int:
        """The next larger allowed width; the largest for all beyond it."""
        return next((width for width in self._widths if width >= wanted), self._widths[-1])

    async def get(self, original: Original, key: RenditionKey) -> bytes:
        """The encoded rendition.

        Raises:
            ImageNotFound: the original is not there.
            BrokenImage, ImageTooLarge, ...: the original cannot be decoded.
            Overloaded: too many others are waiting.
        """

        async def render() -> bytes:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, self._render, original, key)

        return await self.once(key, render)

    async def once(self, key: RenditionKey, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The rendition of this key; made by `make` unless it is there, however many ask for it.

        Raises:
            ImageNotFound: for FileNotFoundError of `make`, whose other errors go to all who wait.
            Overloaded: too many others are waiting.
        """
        cached = await asyncio.to_thread(self._cache.get, key)
        if cached is not None:
            return cached
        failure = self._failures.get(key)
        if failure is not None:
            raise type(failure)(**failure.field_values())
        task = self._in_flight.get(key)
        if task is None:
            if len(self._in_flight) >= self._max_waiting:
                raise Overloaded(what="image_service", retry_after_s=1)
            task = asyncio.create_task(self._make(key, make))
            task.add_done_callback(_retrieve)
            self._in_flight[key] = task
        # A caller that gives up must not take the work from the others.
        return await asyncio.shield(task)

    async def drop(self, image_id: UUID) -> None:
        """Forget all renditions of this image, also those being made just now."""
        self._dropped.update(key for key in self._in_flight if key.image_id == image_id)
        await asyncio.to_thread(self._cache.drop, image_id)

    async def _make(self, key: RenditionKey, make: Callable[[], Awaitable[bytes]]) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            # Another process, or a request that ended between our look and this, may have made it.
            data = await loop.run_in_executor(self._executor, self._cache.get, key)
            if data is None:
                data = await make()
                await asyncio.to_thread(self._cache.put, key, data)
        except FileNotFoundError:
            raise ImageNotFound(image_id=str(key.image_id)) from None
        except ViewfinderError as error:
            if error.http_status < 500:
                self._failures[key] = error
            raise
        else:
            if key in self._dropped:
                await asyncio.to_thread(self._cache.drop, key.image_id)
            return data
        finally:
            self._dropped.discard(key)
            del self._in_flight[key]


def _retrieve(task: asyncio.Task[bytes]) -> None:
    """Everyone who waited may be gone; the error is then nobody's."""
    if not task.cancelled():
        task.exception()
