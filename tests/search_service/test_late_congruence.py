"""Late interaction gives the same on every engine; see test_congruence.py for which they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from search_service.edge_index import EdgeIndex
from search_service.filters import parse_filters
from search_service.late import POOLED_ROWS, RERANKED
from search_service.vector_index import IndexPoint, IndexQuery, SparseVector, Vector
from tests.search_service.congruence import Pair, same_hits
from tests.search_service.engines import KINDS, engine, quiet_local_mode
from tests.search_service.points import DIM, FREE, unit

COUNT = 230  # more than are ranked by all rows


def pages(count: int = COUNT, seed: int = 1) -> tuple[list[IndexPoint], list[Vector]]:
    """Pages of 1 to 40 rows; every tenth has fewer than there are means."""
    dice = np.random.default_rng(seed)
    points = [
        IndexPoint(UUID(int=number), {"document": f"d{number % 7}", "page": number})
        for number in range(1, count + 1)
    ]
    rows = [1 + number % 5 if number % 10 == 0 else 30 + number % 10 for number in range(count)]
    return points, [unit(dice.standard_normal((one, DIM))) for one in rows]


QUERY = unit(np.random.default_rng(7).standard_normal((5, DIM)))


def max_sim(query: Vector, page: Vector) -> float:
    return float((query @ page.T).max(axis=1).sum())


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    edge = EdgeIndex(tmp_path / "edge", FREE)
    with quiet_local_mode():
        async with engine(request.param) as other:
            for index in (edge, other):
                await index.create(DIM, multi=True)
                await index.upsert(*pages())
            yield Pair(edge, other)
    await edge.close()


async def test_the_best_by_means_come_in_the_order_of_all_their_rows(pair: Pair) -> None:
    hits = await same_hits(pair, IndexQuery(QUERY, RERANKED))
    assert len(hits) == RERANKED
    stored = {point.id: page for point, page in zip(*pages(), strict=True)}
    for hit in hits:
        assert hit.score == pytest.approx(max_sim(QUERY, stored[hit.id]), abs=1e-5)


async def test_an_exact_search_compares_all_rows_of_all_pages(pair: Pair) -> None:
    hits = await same_hits(pair, IndexQuery(QUERY, COUNT, exact=True))
    truth = sorted((max_sim(QUERY, page) for page in pages()[1]), reverse=True)
    assert [hit.score for hit in hits] == pytest.approx(truth, abs=1e-5)


async def test_pages_are_filtered_before_the_best_by_means_are_taken(pair: Pair) -> None:
    conditions = parse_filters({"document": ["d1", "d2"], "page": {"gte": 100}})
    hits = await same_hits(pair, IndexQuery(QUERY, COUNT, conditions))
    wanted = {
        p.id for p in pages()[0] if p.payload["page"] >= 100 and p.payload["page"] % 7 in (1, 2)
    }
    assert {hit.id for hit in hits} == wanted
    without = frozenset([hits[0].id])
    rest = await same_hits(pair, IndexQuery(QUERY, COUNT, conditions, without=without))
    assert [hit.id for hit in rest] == [hit.id for hit in hits[1:]]


async def test_a_page_is_replaced_with_all_its_rows(pair: Pair) -> None:
    points, _ = pages()
    for index in pair:
        await index.upsert([IndexPoint(points[4].id, {"page": 1000})], [QUERY])
    best = (await same_hits(pair, IndexQuery(QUERY, 3)))[0]
    assert best.id == points[4].id
    assert best.payload == {"page": 1000}
    assert best.score == pytest.approx(len(QUERY), abs=1e-5)


async def test_payloads_follow_and_words_are_not_kept(pair: Pair) -> None:
    points, _ = pages()
    changed = IndexPoint(points[0].id, {"tags": ["x"]}, SparseVector((3,), (1.0,)))
    unknown = IndexPoint(UUID(int=10**6), {"tags": ["x"]})
    assert [await index.set_payload([changed, unknown]) for index in pair] == [1, 1]
    found = await same_hits(pair, IndexQuery(QUERY, 5, parse_filters({"tags": "x"})))
    assert [hit.id for hit in found] == [points[0].id]


async def test_deleted_pages_are_gone(pair: Pair) -> None:
    points, _ = pages()
    for index in pair:
        await index.delete([points[3].id, UUID(int=10**6)])
        assert await index.count() == COUNT - 1
    hits = await same_hits(pair, IndexQuery(QUERY, COUNT, exact=True))
    assert points[3].id not in {hit.id for hit in hits}


async def test_records_are_scrolled_with_their_rows(pair: Pair) -> None:
    expected = {point.id: page for point, page in zip(*pages(), strict=True)}
    for index in pair:
        after: UUID | None = None
        seen: dict[UUID, Vector] = {}
        while True:
            records, after = await index.scroll(after, 100)
            seen |= {record.id: record.vector for record in records}
            if after is None:
                break
        assert list(seen) == sorted(expected)
        for one, page in seen.items():
            assert page.dtype == np.float32
            np.testing.assert_allclose(page, expected[one], atol=1e-6)


async def test_a_page_that_only_its_means_hide_is_found_by_an_exact_search(pair: Pair) -> None:
    """A single row among many opposite ones: the means know nothing of it."""
    row = QUERY[0]
    opposite = np.tile(-row, (POOLED_ROWS * 4, 1)).astype(np.float32)
    opposite[0] = row
    hidden = IndexPoint(UUID(int=999), {"document": "hidden"})
    alike = unit(row + 0.9 * unit(np.random.default_rng(3).standard_normal((300, DIM))))
    others = [IndexPoint(UUID(int=1000 + n), {}) for n in range(300)]
    for index in pair:
        await index.upsert([hidden], [opposite])
        await index.upsert(others, [one[None, :] for one in alike])
    query = IndexQuery(QUERY[:1], 1)
    assert (await same_hits(pair, replace(query, exact=True)))[0].id == hidden.id
    assert (await same_hits(pair, query))[0].id != hidden.id
