"""How much of the truth the graph finds, measured on real searches while they go on.

Now and then an answered search is asked again, exactly, in the background, and compared. An exact
search takes the engine much longer (the first one after a start reads all vectors: 3 s of a
million), so it waits for a moment without searches, five minutes at most.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from search_service.vector_index import IndexFault, IndexInfo, IndexQuery, ScoredPoint
from viewfinder.errors import ViewfinderError

RECALL_AT = 10
WINDOW = 100
_EQUAL = 1e-5  # cosines of int8 rescored and of exact search differ in their last digits
_QUIET_S = 1.0
_PATIENCE_S = 300.0
_REST = 1000.0  # others wait for an exact search: at most a thousandth of the time

log = structlog.get_logger()


def recall(found: Sequence[float], exact: Sequence[float], at: int = RECALL_AT) -> float | None:
    """Share of the `at` best that was found; scores, best first. None when there is nothing.

    A hit counts when it is as good as the worst of the true ones: of equally good ones any may be
    shown. So does ann-benchmarks (Aumueller, Bernhardsson, Faithfull 2018, with its epsilon).
    """
    true = exact[:at]
    if not true:
        return None
    return sum(score >= true[-1] - _EQUAL for score in found[: len(true)]) / len(true)


@dataclass(frozen=True)
class RecallState:
    """`recall` is the mean over the last `samples` searches that were compared; None before."""

    recall: float | None
    samples: int


class Searchable(Protocol):
    """Of a VectorIndex, what is needed here."""

    async def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """The nearest, best first."""

    async def info(self) -> IndexInfo:
        """Whether a graph answers."""


class RecallGauge:
    """Compares at most one search in `every_s` seconds; 0: none. After each it rests `rest` times
    as long as it took.

    `state_token` changes with every write: a comparison that one came into says nothing.
    """

    def __init__(
        self,
        index: Searchable,
        every_s: float,
        state_token: Callable[[], object],
        quiet_s: float = _QUIET_S,
        rest: float = _REST,
    ) -> None:
        self._index = index
        self._every_s = every_s
        self._state_token = state_token
        self._quiet_s = quiet_s
        self._rest = rest
        self._recalls: deque[float] = deque(maxlen=WINDOW)
        self._next_at = 0.0
        self._last_search = 0.0
        self._running: asyncio.Task[None] | None = None

    def saw(self, query: IndexQuery, hits: Sequence[ScoredPoint]) -> None:
        """A search was answered. Returns at once."""
        self._last_search = time.monotonic()
        if not self._every_s or self._running is not None or self._last_search < self._next_at:
            return
        if query.exact or query.vector is None or query.words is not None or not hits:
            return
        if query.vector.ndim > 1:
            return  # comparing all rows of all pages would hold up searches too long
        self._next_at = self._last_search + self._every_s
        scores = [hit.score for hit in hits[:RECALL_AT]]
        limit = min(query.limit, RECALL_AT)
        asked = replace(query, exact=True, limit=limit, with_payload=False, with_vectors=False)
        self._running = asyncio.create_task(self._compare(asked, scores, self._state_token()))
        self._running.add_done_callback(self._ended)

    def state(self, *, indexed: bool) -> RecallState:
        """What was measured. Where no graph answers, search is exact."""
        if not indexed:
            return RecallState(1.0, len(self._recalls))
        if not self._recalls:
            return RecallState(None, 0)
        return RecallState(sum(self._recalls) / len(self._recalls), len(self._recalls))

    async def close(self) -> None:
        """Give up a comparison."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _compare(self, query: IndexQuery, found: list[float], token: object) -> None:
        if not (await self._index.info()).indexed:
            return
        await self._quiet_moment()
        began = time.monotonic()
        exact = await self._index.search(query)
        ended = time.monotonic()
        self._next_at = max(self._next_at, ended + self._rest * (ended - began))
        share = recall(found, [hit.score for hit in exact])
        if share is not None and token == self._state_token():
            self._recalls.append(share)

    async def _quiet_moment(self) -> None:
        give_up_at = time.monotonic() + _PATIENCE_S
        # No event tells that nothing happened.
        while time.monotonic() < min(self._last_search + self._quiet_s, give_up_at):  # noqa: ASYNC110
            await asyncio.sleep(self._quiet_s / 2)

    def _ended(self, comparison: asyncio.Task[None]) -> None:
        self._running = None
        error = None if comparison.cancelled() else comparison.exception()
        if isinstance(error, IndexFault | ViewfinderError):
            log.debug("recall was not measured", reason=str(error))
        elif error is not None:
            log.error("recall was not measured", exc_info=error)
