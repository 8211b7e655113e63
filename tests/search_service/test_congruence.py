"""Every engine gives the same answers: the same calls and data, on Edge and on Qdrant's client.

"local mode" is qdrant-client's own engine in Python, "gRPC stub" is that behind the real protocol,
"server" is a real Qdrant, where there is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from search_service.edge_index import EdgeIndex
from search_service.filters import parse_filters
from search_service.vector_index import IndexPoint, IndexQuery, SparseVector
from tests.search_service import filter_cases
from tests.search_service.congruence import (
    COUNT,
    FILTERS,
    QUERY,
    Pair,
    assert_same_record,
    by_value,
    library,
    same_hits,
    same_records,
    weights,
)
from tests.search_service.engines import KINDS, engine, quiet_local_mode
from tests.search_service.points import DIM, FREE, unit


@pytest.fixture(params=KINDS)
async def empty_pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    edge = EdgeIndex(tmp_path / "edge", FREE)
    with quiet_local_mode():
        async with engine(request.param) as other:
            yield Pair(edge, other)
    await edge.close()


@pytest.fixture
async def pair(empty_pair: Pair) -> Pair:
    """Both with the same library."""
    for index in empty_pair:
        await index.create(DIM)
        await index.upsert(*library())
    return empty_pair


async def test_every_filter_leaves_the_same_hits_and_counts(pair: Pair) -> None:
    for filters in FILTERS:
        conditions = parse_filters(filters)
        hits = await same_hits(pair, IndexQuery(QUERY, COUNT, conditions), filters)
        counts = [await index.count(conditions) for index in pair]
        assert counts == [len(hits)] * 2, filters
        assert hits or "metadata.unknown" in filters, filters


async def test_every_case_of_the_filter_tests_chooses_the_same_pictures(empty_pair: Pair) -> None:
    points = [
        IndexPoint(UUID(int=number), payload)
        for number, payload in enumerate(filter_cases.PAYLOADS, start=1)
    ]
    for index in empty_pair:
        await index.create(DIM)
        await index.upsert(points, library(len(points))[1])
    for filters, numbers in filter_cases.FILTERS:
        hits = await same_hits(empty_pair, IndexQuery(QUERY, 10, parse_filters(filters)), filters)
        assert {hit.id.int for hit in hits} == numbers, filters


async def test_hits_come_in_the_same_order_whatever_the_limit(pair: Pair) -> None:
    everything = await same_hits(pair, IndexQuery(QUERY, COUNT))
    assert len(everything) == COUNT
    for limit in (1, 10, 100):
        some = await same_hits(pair, IndexQuery(QUERY, limit))
        assert [hit.id for hit in some] == [hit.id for hit in everything[:limit]]


async def test_an_exact_search_finds_the_same(pair: Pair) -> None:
    assert len(await same_hits(pair, IndexQuery(QUERY, 20, exact=True))) == 20


async def test_a_query_of_any_length_is_scored_by_its_cosine(pair: Pair) -> None:
    best = (await same_hits(pair, IndexQuery(QUERY * 100, 1)))[0]
    again = (await same_hits(pair, IndexQuery(QUERY, 1)))[0]
    assert best.score == pytest.approx(again.score, abs=1e-5)


async def test_a_threshold_cuts_at_the_same_place(pair: Pair) -> None:
    hits = await same_hits(pair, IndexQuery(QUERY, COUNT, score_threshold=0.2))
    assert 0 < len(hits) < COUNT
    assert all(hit.score >= 0.2 for hit in hits)


async def test_pictures_are_left_out_by_their_ids(pair: Pair) -> None:
    first, second, *_ = await same_hits(pair, IndexQuery(QUERY, 5))
    rest = await same_hits(pair, IndexQuery(QUERY, 5, without=frozenset({first.id})))
    assert rest[0].id == second.id


async def test_payload_and_vectors_come_when_asked_for(pair: Pair) -> None:
    plain = IndexQuery(QUERY, 5, with_payload=False)
    assert [hit.payload for hit in await same_hits(pair, plain)] == [{}] * 5
    expected, found = [await i.search(replace(plain, with_vectors=True)) for i in pair]
    for one, other in zip(expected, found, strict=True):
        assert one.vector is not None
        assert other.vector is not None
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
        assert other.score == pytest.approx(float(other.vector @ QUERY), abs=1e-5)


async def test_texts_that_have_most_of_the_words_come_first(pair: Pair) -> None:
    words = SparseVector((3, 17, 30), (1.0, 1.0, 1.0))
    hits = await same_hits(pair, IndexQuery(None, COUNT, words=words))
    assert hits
    for with_vectors in (False, True):
        query = IndexQuery(None, COUNT, words=words, with_vectors=with_vectors)
        expected, found = [await index.search(query) for index in pair]
        assert [hit.matched for hit in found] == [hit.matched for hit in expected]
        assert all(set(hit.matched) & set(words.indices) for hit in found)
        assert all((hit.vector is not None) is with_vectors for hit in found)


async def test_a_search_by_words_is_filtered(pair: Pair) -> None:
    words = SparseVector((3, 17, 30), (1.0, 0.5, 0.25))
    conditions = parse_filters({"tags": ["cat", "dog"]})
    every = await same_hits(pair, IndexQuery(None, COUNT, words=words))
    some = await same_hits(pair, IndexQuery(None, COUNT, conditions, words=words))
    assert 0 < len(some) < len(every)
    assert {tag for hit in some for tag in hit.payload["tags"]} & {"cat", "dog"}


async def test_a_search_by_words_is_cut_at_the_same_score(pair: Pair) -> None:
    query = IndexQuery(None, COUNT, words=SparseVector((3, 17, 30), (1.0, 0.5, 0.25)))
    hits = await same_hits(pair, query)
    middle = hits[len(hits) // 2].score - 1e-4
    cut = await same_hits(pair, replace(query, score_threshold=middle))
    assert 0 < len(cut) < len(hits)


async def test_words_that_nobody_has_find_nothing(pair: Pair) -> None:
    nobody = IndexQuery(None, 5, words=SparseVector((999_999,), (1.0,)))
    assert await same_hits(pair, nobody) == []


async def test_records_are_scrolled_by_ascending_id_page_by_page(pair: Pair) -> None:
    await same_records(pair)
    pages: list[list[UUID]] = []
    for index in pair:
        after: UUID | None = None
        ids: list[UUID] = []
        while True:
            records, after = await index.scroll(after, 50)
            ids += [record.id for record in records]
            if after is None:
                break
        pages.append(ids)
    assert pages[0] == pages[1] == sorted(point.id for point in library()[0])


async def test_records_are_retrieved_and_unknown_ids_passed_over(pair: Pair) -> None:
    points, _ = library()
    wanted = [points[3].id, UUID(int=1), points[9].id]
    expected, found = [sorted(await i.retrieve(wanted), key=lambda r: r.id) for i in pair]
    assert {record.id for record in found} == {points[3].id, points[9].id}
    for one, other in zip(found, expected, strict=True):
        assert_same_record(one, other)


async def test_payloads_come_alone_and_unknown_ids_are_passed_over(pair: Pair) -> None:
    points, _ = library()
    wanted = [points[3].id, UUID(int=1), points[9].id]
    expected, found = [await index.payloads(wanted) for index in pair]
    assert found == expected == {point.id: point.payload for point in (points[3], points[9])}


async def test_what_only_helps_to_rank_changes_no_order(pair: Pair) -> None:
    query = IndexQuery(QUERY, 60)
    for index in pair:
        whole, helped = await index.search(query), await index.search(replace(query, best=5))
        assert [hit.id for hit in helped] == [hit.id for hit in whole]


async def test_a_point_is_replaced_with_all_it_had(pair: Pair) -> None:
    points, vectors = library()
    changed = IndexPoint(points[1].id, {"file_name": "new"}, None)
    for index in pair:
        await index.upsert([changed], vectors[:1])
    records = {record.id: record for record in await same_records(pair)}
    assert records[changed.id].payload == {"file_name": "new"}
    assert weights(records[changed.id].words) == {}
    np.testing.assert_allclose(records[changed.id].vector, unit(vectors[0]), atol=1e-5)


async def test_payload_and_words_are_replaced_where_the_point_exists(pair: Pair) -> None:
    points, _ = library()
    changes = [
        IndexPoint(points[0].id, {"tags": ["x"]}, SparseVector((900,), (2.0,))),
        IndexPoint(points[1].id, {"tags": ["y"]}),
        IndexPoint(points[2].id, {}, SparseVector((), ())),
        IndexPoint(UUID(int=1), {"tags": ["z"]}, SparseVector((900,), (2.0,))),
    ]
    assert [await index.set_payload(changes) for index in pair] == [3, 3]
    records = {record.id: record for record in await same_records(pair)}
    assert len(records) == COUNT
    assert records[points[0].id].payload == {"tags": ["x"]}
    assert weights(records[points[0].id].words) == {900: 2.0}
    assert weights(records[points[1].id].words) == pytest.approx(weights(points[1].words), abs=1e-5)
    assert weights(records[points[2].id].words) == {}
    # What no longer holds is not found any more.
    assert await same_hits(pair, IndexQuery(QUERY, 5, parse_filters({"file_name": "1.jpg"}))) == []
    assert len(await same_hits(pair, IndexQuery(QUERY, 5, parse_filters({"tags": "x"})))) == 1


async def test_deleted_points_are_gone_and_unknown_ids_passed_over(pair: Pair) -> None:
    points, _ = library()
    for index in pair:
        await index.delete([points[0].id, points[50].id, UUID(int=1)])
        await index.delete([])
    assert len(await same_records(pair)) == COUNT - 2
    assert len(await same_hits(pair, IndexQuery(QUERY, COUNT))) == COUNT - 2


async def test_facets_count_the_same(pair: Pair) -> None:
    some = parse_filters({"width": {"gte": 2000}, "metadata.public": True})
    for key in ("tags", "category", "camera", "media_type", "height", "file_path"):
        for conditions in ((), some):
            expected, found = [by_value(await i.facet(key, conditions, 1000)) for i in pair]
            assert found == expected, key
            assert found, key


async def test_facets_give_the_most_frequent_values_only(pair: Pair) -> None:
    expected, found = [await index.facet("tags", (), 2) for index in pair]
    assert [count.count for count in found] == [count.count for count in expected]
    assert len(found) == 2


async def test_creating_it_again_leaves_nothing(pair: Pair) -> None:
    for index in pair:
        await index.create(DIM)
    assert await same_records(pair) == []
    assert [(await index.info()).points for index in pair] == [0, 0]


async def test_what_was_never_created_is_empty(empty_pair: Pair) -> None:
    for index in empty_pair:
        assert index.dim is None
        assert await index.search(IndexQuery(QUERY, 5)) == []
        assert await index.retrieve([UUID(int=1)]) == []
        assert await index.payloads([UUID(int=1)]) == {}
        assert await index.facet("tags", (), 5) == []
        assert await index.count() == 0
        assert await index.scroll(None, 5) == ([], None)
        assert await index.set_payload([IndexPoint(UUID(int=1), {})]) == 0
        await index.delete([UUID(int=1)])
        assert (await index.info()).points == 0
