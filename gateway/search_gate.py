"""How many searches may run at once, and which are turned away before all become slow.

Two controls, both known from larger houses. The number let in follows the latency seen: while the
median of a window is over the goal the number shrinks by their ratio, at most by half; while it is
used up and all is well it grows by its square root (Netflix, `concurrency-limits`, Gradient; the
headroom also in Envoy's adaptive concurrency filter). Who does not get in waits, and how long is
controlled delay as Facebook's servers have it ("Fail at Scale", ACM Queue 13(8), 2015, after
Nichols and Jacobson's CoDel): a burst is patiently worked off, a queue that did not become empty
for a while is a standing one, and new ones wait next to nothing.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from viewfinder.errors import DeadlineExceeded, Overloaded, ViewfinderError

_WINDOW = 16  # searches
_MOST_SHRUNK = 0.5
_TOLERANCE = 2.0
_FLOOR_S = 30.0
_PATIENCE_S = 0.1
_STANDING_PATIENCE_S = 0.005
_RETRY_S = 1


class AdaptiveLimit:
    """A number of searches between `lowest` and `highest` that keeps them within `goal_s`.

    Where it takes longer even among the fewest, twice that is the goal: nothing else would help.
    """

    def __init__(
        self,
        lowest: int,
        highest: int,
        goal_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lowest = lowest
        self._highest = highest
        self._goal_s = goal_s
        self._clock = clock
        self._limit = float(min(highest, max(lowest, 16)))
        self._unhindered: dict[str, _Fastest] = {}
        self._ratios: list[float] = []
        self._busiest = 0

    @property
    def value(self) -> int:
        """How many may run."""
        return int(self._limit)

    def add(self, kind: str, seconds: float, in_flight: int) -> None:
        """One search of this kind took so long, and ran beside `in_flight` (itself included)."""
        unhindered = self._unhindered.setdefault(kind, _Fastest(self._clock))
        if in_flight <= self._lowest:  # among many, all are slow
            unhindered.add(seconds)
        self._ratios.append(seconds / max(self._goal_s, _TOLERANCE * unhindered.seconds))
        self._busiest = max(self._busiest, in_flight)
        if len(self._ratios) < _WINDOW:
            return
        ratio = statistics.median(self._ratios)
        if ratio > 1:
            self._limit = min(self._limit, self._busiest) * max(_MOST_SHRUNK, 1 / ratio)
        elif self._busiest >= self.value:
            self._limit += math.sqrt(self._limit)
        self._limit = min(max(self._limit, self._lowest), self._highest)
        self._ratios.clear()
        self._busiest = 0


class _Fastest:
    """The shortest time of the last half minute or so, so that it follows a growing index; 0 as
    long as there is none."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._before = math.inf
        self._now = math.inf
        self._turns_at = clock() + _FLOOR_S

    def add(self, seconds: float) -> None:
        if self._clock() >= self._turns_at:
            self._before, self._now = self._now, math.inf
            self._turns_at = self._clock() + _FLOOR_S
        self._now = min(self._now, seconds)

    @property
    def seconds(self) -> float:
        shortest = min(self._before, self._now)
        return shortest if shortest < math.inf else 0.0


class SearchGate:
    """Lets searches in, first come first served, and calls `on_shed` for each that it does not.
    `limit` None lets all in."""

    def __init__(
        self,
        limit: AdaptiveLimit | None,
        on_shed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._on_shed = on_shed
        self._clock = clock
        self._queue: deque[asyncio.Future[None]] = deque()
        self._empty_at = clock()
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """How many may run now; 0 where there is no limit."""
        return 0 if self._limit is None else self._limit.value

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(self, kind: str) -> AsyncIterator[None]:
        """Hold while the search runs; searches of one `kind` are compared with each other.

        Raises:
            Overloaded: too many are waiting already.
        """
        limit = self._limit
        if limit is None:
            yield
            return
        await self._enter(limit)
        beside, start = self.in_flight, time.perf_counter()
        counts = True
        try:
            yield
        except ViewfinderError as error:
            counts = isinstance(error, DeadlineExceeded)
            raise
        except BaseException:
            counts = False
            raise
        finally:
            if counts:
                limit.add(kind, time.perf_counter() - start, beside)
            self._leave(limit)

    async def _enter(self, limit: AdaptiveLimit) -> None:
        now = self._clock()
        if not self._queue:
            self._empty_at = now
            if self.in_flight < limit.value:
                self.in_flight += 1
                return
        is_standing = now - self._empty_at > _PATIENCE_S
        let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(let_in)
        try:
            async with asyncio.timeout(_STANDING_PATIENCE_S if is_standing else _PATIENCE_S):
                await let_in
        except TimeoutError:
            if let_in.done() and not let_in.cancelled():
                return  # at the last moment
            self._give_up(let_in)
            self._on_shed()
            raise Overloaded(what="search", retry_after_s=_RETRY_S) from None
        except BaseException:
            if let_in.done() and not let_in.cancelled():
                self._leave(limit)
            else:
                self._give_up(let_in)
            raise

    def _give_up(self, let_in: asyncio.Future[None]) -> None:
        with suppress(ValueError):
            self._queue.remove(let_in)
        if not self._queue:
            self._empty_at = self._clock()

    def _leave(self, limit: AdaptiveLimit) -> None:
        self.in_flight -= 1
        while self._queue and self.in_flight < limit.value:
            let_in = self._queue.popleft()
            if not let_in.done():
                self.in_flight += 1
                let_in.set_result(None)
        if not self._queue:
            self._empty_at = self._clock()
