"""How long, how often and how many at once a model is asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TypeVar

from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    ViewfinderError,
    VisionModelFailed,
    VisionModelUnavailable,
)
from viewfinder.vision.breaker import Breaker

T = TypeVar("T")

_ATTEMPTS = 3
_BACKOFF_S = 0.4
_LONGEST_BACKOFF_S = 5.0
_WAITING_FOR_EACH = 4
_RETRY_S = 10


class Patience:
    """Bounds calls of one model. Further attempts are made only while nothing of the answer has
    been seen."""

    def __init__(
        self,
        model: str,
        server: str,
        *,
        timeout_s: float,
        first_token_timeout_s: float,
        concurrency: int,
        backoff_s: float = _BACKOFF_S,
        breaker: Breaker | None = None,
    ) -> None:
        self._model = model
        self._server = server
        self._timeout_s = timeout_s
        self._first_token_timeout_s = min(first_token_timeout_s, timeout_s)
        self._free = asyncio.Semaphore(concurrency)
        self._most_waiting = concurrency * _WAITING_FOR_EACH
        self._waiting = 0
        self._backoff_s = backoff_s
        self._breaker = breaker or Breaker(model, server)

    async def stream(
        self, ask: Callable[[], AsyncGenerator[str, None]]
    ) -> AsyncGenerator[str, None]:
        """The pieces of an answer; empty ones are left out.

        Raises:
            Overloaded: too many are being asked, or the server says so.
            DeadlineExceeded: no word in time, or no end.
            VisionModelUnavailable, VisionModelMissing, VisionModelFailed: see errors.py.
        """
        async with self._slot():
            deadline = asyncio.get_running_loop().time() + self._timeout_s

            async def first() -> tuple[AsyncGenerator[str, None], str]:
                pieces = ask()
                try:
                    return pieces, await self._first(pieces, deadline)
                except BaseException:
                    await _close(pieces)
                    raise

            pieces, piece = await self._attempts(first, deadline)
            try:
                while True:
                    if piece:
                        yield piece
                    async with self._limit(deadline):
                        piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except ViewfinderError as error:
                self._note(error)
                raise
            finally:
                await _close(pieces)

    async def whole(self, ask: Callable[[], Awaitable[T]]) -> T:
        """One answer. Raises as `stream` does."""
        async with self._slot():
            deadline = asyncio.get_running_loop().time() + self._timeout_s

            async def once() -> T:
                async with self._limit(deadline):
                    return await ask()

            return await self._attempts(once, deadline)

    async def _first(self, pieces: AsyncGenerator[str, None], deadline: float) -> str:
        """The first word; signs of life before it, as of a model that thinks, win it time."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._limit(min(deadline, loop.time() + self._first_token_timeout_s)):
                piece = await anext(pieces, None)
            if piece is None:
                raise VisionModelFailed(
                    model=self._model, server=self._server, reason="it answered nothing"
                )
            if piece:
                return piece

    async def _attempts(self, once: Callable[[], Awaitable[T]], deadline: float) -> T:
        number = 0
        while True:
            number += 1
            self._breaker.admit()
            try:
                answer = await once()
            except ViewfinderError as error:
                self._note(error)
                pause_s = self._pause_s(error, number)
                late = asyncio.get_running_loop().time() + (pause_s or 0) > deadline
                if pause_s is None or late:
                    raise
            except BaseException:
                self._breaker.left()
                raise
            else:
                self._breaker.succeeded()
                return answer
            await asyncio.sleep(pause_s)

    def _pause_s(self, error: ViewfinderError, number: int) -> float | None:
        """Before the next attempt; None when another one is of no use."""
        if number >= _ATTEMPTS:
            return None
        if isinstance(error, Overloaded):
            return error.retry_after_s if error.retry_after_s <= _LONGEST_BACKOFF_S else None
        if isinstance(error, VisionModelUnavailable):
            jitter = random.uniform(0.5, 1.5)  # noqa: S311
            return float(self._backoff_s * 2 ** (number - 1) * jitter)
        return None

    def _note(self, error: ViewfinderError) -> None:
        if isinstance(error, VisionModelUnavailable | DeadlineExceeded):
            self._breaker.failed(error)
        else:  # it is there, and answers
            self._breaker.succeeded()

    @asynccontextmanager
    async def _limit(self, when: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(when):
                yield
        except TimeoutError:
            raise DeadlineExceeded(service=f"the vision model {self._model}") from None

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._free.locked():
            if self._waiting >= self._most_waiting:
                raise self._busy()
            self._waiting += 1
            try:
                async with asyncio.timeout(self._first_token_timeout_s):
                    await self._free.acquire()
            except TimeoutError:
                raise self._busy() from None
            finally:
                self._waiting -= 1
        else:
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()

    def _busy(self) -> Overloaded:
        return Overloaded(what=f"the vision model {self._model}", retry_after_s=_RETRY_S)


async def _close(pieces: AsyncGenerator[str, None]) -> None:
    """Has the server stop."""
    with suppress(ViewfinderError):
        async with aclosing(pieces):
            pass
