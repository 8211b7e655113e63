"""Every engine gives the same answers: the same calls and data, on Edge and on Qdrant's client.

"local mode" is qdrant-client's own engine in Python, "gRPC stub" is that behind the real protocol,
"server" is a real Qdrant, where there is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.edge_index import EdgeIndex
from search_service.filters import parse_filters
from search_service.vector_index import (
    FacetCount,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    ScoredPoint,
    SparseVector,
    Vector,
    VectorIndex,
)
from tests.search_service import filter_cases
from tests.search_service.engines import KINDS, engine, quiet_local_mode
from tests.search_service.points import DIM, FREE, unit

COUNT = 240
CAMERAS = ("Canon R5", "Nikon Z8", "Leica M11", "päper côté")
TAGS = ("cat", "dog", "beach", "night", "red")


@dataclass(frozen=True)
class Pair:
    """The embedded engine, which is the yardstick, and the one that is compared with it."""

    edge: VectorIndex
    other: VectorIndex

    def __iter__(self) -> Iterator[VectorIndex]:
        return iter((self.edge, self.other))


def payload_of(number: int, dice: np.random.Generator) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "file_name": f"{number}.jpg",
        "file_path": f"album {number % 3}/{number}.jpg",
        "media_type": ("image/jpeg", "image/png", "application/pdf")[number % 3],
        "size_bytes": int(dice.integers(1, 1 << 40)),
        "width": int(dice.integers(1, 8000)),
        "height": 1000 + number % 5,
        "uploaded_at": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:30:00Z",
        "tags": [str(tag) for tag in dice.choice(TAGS, int(dice.integers(0, 4)), replace=False)],
        "metadata": {
            "stars": number % 6,
            "share": round(number / COUNT, 4),
            "public": bool(number % 2),
            "owner": f"owner {number % 7}",
            "nested": {"deep": number % 4, "list": [number % 3, "x"]},
            "dotted.name": number % 3,
            "when": f"2025-{1 + number % 12:02}-01T00:00:00Z",
            "place": {"lat": number % 90, "lon": -(number % 180)},
            "empty": [],
            "nothing": None,
        },
    }
    if number % 4:
        payload["category"] = TAGS[number % 5]
        payload["camera"] = CAMERAS[number % 4]
        payload["taken_at"] = f"20{10 + number % 15}-06-15T12:00:{number % 60:02}+02:00"
    if number % 6 == 0:
        payload["document"] = f"manual {number % 4}.pdf"
        payload["page"] = number % 5
    if number % 3 == 0:
        payload["location"] = {
            "lat": round(float(dice.uniform(-80, 80)), 6),
            "lon": round(float(dice.uniform(-180, 180)), 6),
        }
    return payload


def words_of(number: int, dice: np.random.Generator) -> SparseVector | None:
    if number % 5 == 0:
        return None
    terms = dice.choice(40, 6, replace=False)
    return SparseVector(
        tuple(int(term) for term in terms), tuple(float(w) for w in dice.uniform(0.2, 2, 6))
    )


def library(count: int = COUNT, seed: int = 5) -> tuple[list[IndexPoint], Vector]:
    """Points with every kind of payload, and their vectors; some of them not of length 1."""
    dice = np.random.default_rng(seed)
    points = [
        IndexPoint(
            UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)),
            payload_of(number, dice),
            words_of(number, dice),
        )
        for number in range(1, count + 1)
    ]
    vectors = unit(dice.standard_normal((count, DIM)))
    vectors[::7] *= 3
    return points, vectors


QUERY = unit(np.random.default_rng(77).standard_normal(DIM))


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


async def same_hits(pair: Pair, query: IndexQuery, about: object = "") -> list[ScoredPoint]:
    """The hits, once both engines have given the same in the same order."""
    expected, found = [await index.search(query) for index in pair]
    assert [hit.id for hit in found] == [hit.id for hit in expected], about
    np.testing.assert_allclose([h.score for h in found], [h.score for h in expected], atol=1e-5)
    assert [hit.payload for hit in found] == [hit.payload for hit in expected]
    return found


async def same_records(pair: Pair) -> list[IndexRecord]:
    """All that is stored, once it is the same in both."""
    everything: list[list[IndexRecord]] = []
    for index in pair:
        records, following = await index.scroll(None, 10_000)
        assert following is None
        everything.append(records)
    expected, found = everything
    assert [record.id for record in found] == [record.id for record in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same_record(one, other)
    return found


def assert_same_record(one: IndexRecord, other: IndexRecord) -> None:
    assert one.id == other.id
    assert one.payload == other.payload
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
    assert one.vector.dtype == other.vector.dtype == np.float32
    assert weights(one.words) == pytest.approx(weights(other.words), abs=1e-5)


def weights(words: SparseVector | None) -> dict[int, float]:
    return {} if words is None else dict(zip(words.indices, words.values, strict=True))


def by_value(counts: list[FacetCount]) -> dict[object, int]:
    return {count.value: count.count for count in counts}


FILTERS: list[Mapping[str, object]] = [
    {"file_name": "17.jpg"},
    {"file_path": ["album 1/1.jpg", "album 2/2.jpg", "nowhere"]},
    {"tags": "cat"},
    {"tags": ["dog", "beach"]},
    {"category": "night"},
    {"camera": "päper côté"},
    {"media_type": ["image/png", "application/pdf"]},
    {"size_bytes": {"gte": 1 << 39}},
    {"width": {"gt": 1000, "lte": 4000}},
    {"height": 1003},
    {"height": [1000, 1004]},
    {"taken_at": {"gte": "2015-01-01", "lt": "2020-06-15T10:00:30Z"}},
    {"taken_at": "2017-06-15T10:00:07Z"},
    {"uploaded_at": {"gt": "2026-06-01T00:00:00+02:00"}},
    {"uploaded_at": ["2026-02-02T01:30:00Z", "2026-03-03T02:30:00Z"]},
    {"location": {"lat": 10, "lon": 20, "radius_m": 5_000_000}},
    {"location": {"lat": -70, "lon": 179, "radius_m": 4_000_000}},
    {"metadata.stars": 4},
    {"metadata.stars": [1, 2]},
    {"metadata.stars": {"gte": 2, "lt": 5}},
    {"metadata.share": 0.5},
    {"metadata.share": {"gt": 0.25, "lte": 0.75}},
    {"metadata.public": True},
    {"metadata.public": False},
    {"metadata.public": [True, "owner 1"]},
    {"metadata.owner": ["owner 1", "owner 5", 3]},
    {"metadata.nested.deep": 2},
    {"metadata.dotted.name": 1},
    {"metadata.nested.list": "x"},
    {"metadata.when": {"gte": "2025-06-01"}},
    {"metadata.unknown": 1},
    {"tags": {"not": ["cat", "dog"]}},
    {"tags": {"any": ["cat", "dog"], "not": "beach"}},
    {"camera": {"exists": True}},
    {"camera": {"exists": False}},
    {"tags": {"exists": False}},
    {"metadata.empty": {"exists": False}},
    {"metadata.nothing": {"exists": False}},
    {"metadata.nested.deep": {"exists": True}},
    {"metadata.dotted.name": {"not": 1}},
    {"metadata.public": {"not": True}},
    {"width": {"not": {"gte": 1024}}},
    {"width": {"gte": 500, "not": {"lt": 5000}}},
    {"taken_at": {"not": {"lt": "2016-01-01"}}},
    {"location": {"top": 50, "left": -90, "bottom": -20, "right": 60}},
    {"location": {"top": 80, "left": 100, "bottom": -80, "right": -100}},
    {"location": {"not": {"top": 80, "left": 100, "bottom": -80, "right": -100}}},
    {"location": {"not": {"lat": 10, "lon": 20, "radius_m": 5_000_000}, "exists": True}},
    {"metadata.place": {"lat": 0, "lon": 0, "radius_m": 10_000_000}},
    {"metadata.place": {"top": 40, "left": -40, "bottom": -40, "right": 40}},
    {"document": ["manual 1.pdf", "manual 2.pdf"], "page": {"gte": 2}},
    {"tags": "cat", "width": {"gte": 3000}, "metadata.public": True},
]


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
        assert await index.facet("tags", (), 5) == []
        assert await index.count() == 0
        assert await index.scroll(None, 5) == ([], None)
        assert await index.set_payload([IndexPoint(UUID(int=1), {})]) == 0
        await index.delete([UUID(int=1)])
        assert (await index.info()).points == 0
