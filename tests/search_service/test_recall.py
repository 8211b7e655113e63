"""The gauge: which searches are compared, and what is made of it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import numpy as np
import pytest

from search_service.recall import RecallGauge, recall
from search_service.vector_index import IndexFault, IndexInfo, IndexQuery, ScoredPoint

QUERY = IndexQuery(np.ones(4, np.float32), limit=10)


def hits(*scores: float) -> list[ScoredPoint]:
    return [ScoredPoint(UUID(int=number), score, {}) for number, score in enumerate(scores)]


class FakeIndex:
    """Answers exact searches with what the test says."""

    def __init__(self, exact: list[ScoredPoint], indexed: bool = True) -> None:
        self.exact = exact
        self.indexed = indexed
        self.asked: list[IndexQuery] = []
        self.error: Exception | None = None

    async def search(self, query: IndexQuery) -> list[ScoredPoint]:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.exact

    async def info(self) -> IndexInfo:
        return IndexInfo(len(self.exact), self.indexed)


def gauge_of(
    index: FakeIndex, every_s: float = 1e-9, token: object = 0, rest: float = 0
) -> RecallGauge:
    return RecallGauge(index, every_s, lambda: token, quiet_s=0, rest=rest)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("found", "exact", "expected"),
    [
        ([0.9, 0.8], [0.9, 0.8], 1.0),
        ([0.9, 0.7], [0.9, 0.8], 0.5),
        ([0.8, 0.8], [0.8, 0.8], 1.0),
        ([], [0.9], 0.0),
        ([0.9], [], None),
        ([0.9, 0.8, 0.7], [0.9], 1.0),
    ],
)
def test_recall_is_the_share_of_hits_as_good_as_the_worst_true_one(
    found: list[float], exact: list[float], expected: float | None
) -> None:
    assert recall(found, exact) == expected


async def test_a_search_is_compared_with_its_exact_answer() -> None:
    index = FakeIndex(hits(0.9, 0.8))
    gauge = gauge_of(index)
    gauge.saw(QUERY, hits(0.9, 0.5))
    await settled()
    assert index.asked[0].exact
    assert gauge.state(indexed=True).recall == 0.5
    assert gauge.state(indexed=True).samples == 1


async def test_searches_in_between_are_not_compared() -> None:
    index = FakeIndex(hits(0.9))
    gauge = gauge_of(index, every_s=1000)
    for _ in range(3):
        gauge.saw(QUERY, hits(0.9))
        await settled()
    assert len(index.asked) == 1


async def test_it_rests_the_longer_the_longer_a_comparison_took() -> None:
    index = FakeIndex(hits(0.9))
    gauge = gauge_of(index, rest=1e12)
    for _ in range(3):
        gauge.saw(QUERY, hits(0.9))
        await settled()
    assert len(index.asked) == 1


async def test_nothing_is_compared_when_it_is_switched_off() -> None:
    index = FakeIndex(hits(0.9))
    gauge = gauge_of(index, every_s=0)
    gauge.saw(QUERY, hits(0.9))
    await settled()
    assert index.asked == []
    assert gauge.state(indexed=True).recall is None


async def test_without_a_graph_recall_is_one_and_nothing_is_searched_for_it() -> None:
    index = FakeIndex(hits(0.9), indexed=False)
    gauge = gauge_of(index)
    gauge.saw(QUERY, hits(0.5))
    await settled()
    assert index.asked == []
    assert gauge.state(indexed=False).recall == 1.0


async def test_a_write_in_between_spoils_the_comparison() -> None:
    tokens = iter((1, 2))
    gauge = RecallGauge(FakeIndex(hits(0.9)), 1e-9, lambda: next(tokens), quiet_s=0)
    gauge.saw(QUERY, hits(0.5))
    await settled()
    assert gauge.state(indexed=True).samples == 0


async def test_an_engine_that_fails_is_asked_again_next_time() -> None:
    index = FakeIndex(hits(0.9))
    index.error = IndexFault("broken")
    gauge = gauge_of(index)
    gauge.saw(QUERY, hits(0.9))
    await settled()
    index.error = None
    gauge.saw(QUERY, hits(0.9))
    await settled()
    assert gauge.state(indexed=True).samples == 1


async def test_only_the_last_hundred_comparisons_count() -> None:
    index = FakeIndex(hits(0.9))
    gauge = gauge_of(index)
    for number in range(130):
        gauge.saw(QUERY, hits(0.1 if number < 30 else 0.9))
        await settled()
    assert gauge.state(indexed=True) == type(gauge.state(indexed=True))(1.0, 100)


async def test_closing_gives_up_a_comparison() -> None:
    gauge = RecallGauge(FakeIndex(hits(0.9)), 1e-9, lambda: 0, quiet_s=1000)
    gauge.saw(QUERY, hits(0.9))
    await asyncio.wait_for(gauge.close(), 5)
    assert gauge.state(indexed=True).samples == 0
