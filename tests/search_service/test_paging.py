"""Pages that do not drift while pictures come and go."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.encoder_binding import EncoderSpec
from search_service.paging import Cursor, decode
from search_service.query import Searcher
from search_service.vector_index import IndexPoint, Vector
from search_service.wanted import BySimilar, ByText, Example, Wanted
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import SPEC, ids_of, point, some_points, unit
from tests.search_service.requests import ids_in, upsert_of
from viewfinder.errors import InvalidRequest, ServiceUnavailable
from viewfinder.v1 import search_pb2

QUERY = "a dog"


async def all_pages(stub: Any, **wanted: Any) -> list[list[int]]:
    pages = []
    request = search_pb2.SearchRequest(**{"text": QUERY, **wanted})
    while True:
        answer = await stub.Search(request)
        pages.append(ids_in(answer))
        if not answer.next_cursor:
            return pages
        request.cursor = answer.next_cursor


async def test_pages_together_are_the_whole_in_its_order(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(57)[1]))
    whole = (await all_pages(stub, top_k=100))[0]
    pages = await all_pages(stub, top_k=10)
    assert [len(page) for page in pages] == [10, 10, 10, 10, 10, 7]
    assert [number for page in pages for number in page] == whole


async def test_the_last_page_says_so_also_when_it_is_full(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(20)[1]))
    assert [len(page) for page in await all_pages(stub, top_k=10)] == [10, 10]


async def test_pictures_of_equal_score_are_all_shown_once(stub: Any) -> None:
    vectors = np.repeat(some_points(3)[1], 40, axis=0)
    await stub.Upsert(upsert_of(vectors))
    pages = await all_pages(stub, top_k=7)
    assert sorted(number for page in pages for number in page) == list(range(1, 121))


async def test_a_page_may_have_another_size_than_the_one_before(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(30)[1]))
    request = search_pb2.SearchRequest(text=QUERY, top_k=3)
    first = await stub.Search(request)
    request.top_k, request.cursor = 20, first.next_cursor
    second = await stub.Search(request)
    whole = (await all_pages(stub, top_k=100))[0]
    assert ids_in(first) + ids_in(second) == whole[:23]


async def test_deep_pages_carry_their_payload(stub: Any) -> None:
    for start in range(0, 700, 350):
        names = [str(UUID(int=start + number + 1)) for number in range(350)]
        vectors = some_points(350, seed=start)[1]
        await stub.Upsert(upsert_of(vectors, {"category": "x"}, names))
    request = search_pb2.SearchRequest(text=QUERY, top_k=100)
    shown = 0
    while True:
        answer = await stub.Search(request)
        assert all(hit.payload["category"] == "x" for hit in answer.hits)
        shown += len(answer.hits)
        if not answer.next_cursor:
            break
        request.cursor = answer.next_cursor
    assert shown == 700


@pytest.mark.parametrize("sort", ["relevance", "newest", "oldest"])
@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_shown_twice_and_nothing_that_stayed_is_missed(
    collections: CollectionSet, encoder: FakeEncoder, sort: Any, seed: int
) -> None:
    chance = random.Random(seed)
    vectors = unit(np.random.default_rng(seed).standard_normal((400, SPEC.dim)))
    vectors[::5] = vectors[0]  # some of equal score
    there: set[int] = set()
    upload = _Uploads(collections, vectors, chance)
    there |= await upload.some(200)
    stayed = set(there)
    searcher = Searcher(collections, encoder)
    shown: list[int] = []
    cursor = ""
    while True:
        answer = await searcher.search(
            Wanted(ByText(QUERY), top_k=chance.choice((1, 7, 30)), sort=sort, cursor=cursor)
        )
        shown += ids_of([hit.point for hit in answer.hits])
        cursor = answer.next_cursor
        if not cursor:
            break
        if upload.number < 380:
            there |= await upload.some(chance.randrange(12))
        gone = {number for number in there if chance.random() < 0.01}
        await collections.delete([UUID(int=number) for number in gone])
        there -= gone
        stayed -= gone
    assert len(shown) == len(set(shown))
    assert stayed <= set(shown)


class _Uploads:
    """Pictures numbered in any order, of changing days."""

    def __init__(self, collections: CollectionSet, vectors: Vector, chance: random.Random) -> None:
        self._collections = collections
        self._vectors = vectors
        self._chance = chance
        self._ids = list(range(1, len(vectors) + 1))
        chance.shuffle(self._ids)
        self.number = 0

    async def some(self, count: int) -> set[int]:
        if count == 0:
            return set()
        rows = range(self.number, self.number + count)
        points = [self._point(self._ids[row]) for row in rows]
        self.number += count
        await self._collections.upsert(SPEC, points, self._vectors[list(rows)], beside=False)
        return {one.id.int for one in points}

    def _point(self, number: int) -> IndexPoint:
        day = self._chance.randrange(1, 28)
        key = self._chance.choice(("taken_at", "uploaded_at", "file_name"))
        return point(number, **{key: f"2026-05-{day:02d}T00:00:00Z"})


async def test_a_page_goes_on_with_the_vector_that_it_began_with(
    collections: CollectionSet, encoder: FakeEncoder
) -> None:
    points, vectors = some_points(40)
    await collections.upsert(SPEC, points, vectors, beside=False)
    searcher = Searcher(collections, encoder)
    first = await searcher.search(Wanted(ByText(QUERY), top_k=10))
    encoder.error = ServiceUnavailable(service="embedding_service")
    second = await searcher.search(Wanted(ByText(QUERY), top_k=10, cursor=first.next_cursor))
    assert len(second.hits) == 10


async def test_a_cursor_is_of_one_question_and_one_encoder(
    stub: Any, encoder: FakeEncoder, collections: CollectionSet
) -> None:
    await stub.Upsert(upsert_of(some_points(30)[1]))
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5))
    request = search_pb2.SearchRequest(text="a cat", top_k=5, cursor=answer.next_cursor)
    with pytest.raises(InvalidRequest, match="another search"):
        await stub.Search(request)
    other = EncoderSpec("other", "r9", "dense", SPEC.dim, SPEC.pixels)
    encoder.encoder_spec = other
    await collections.upsert(other, *some_points(5), beside=True)
    await collections.switch(other)
    request.text = QUERY
    with pytest.raises(InvalidRequest, match="another encoder"):
        await stub.Search(request)


async def test_whatever_changes_the_results_makes_another_question(
    collections: CollectionSet, encoder: FakeEncoder
) -> None:
    points, vectors = some_points(30)
    await collections.upsert(SPEC, points, vectors, beside=False)
    searcher = Searcher(collections, encoder)
    first = Wanted(ByText(QUERY), top_k=5)
    cursor = (await searcher.search(first)).next_cursor
    same: dict[str, Any] = {"top_k": 7, "facets": ("tags",)}
    other: dict[str, Any] = {
        "query": ByText(QUERY, "hybrid"),
        "score_threshold": 0.01,
        "min_relevance": 0.01,
        "filters": {"category": "x"},
        "weight": 2.0,
        "also": (Example(ByText("a cat"), 0.1),),
        "group_by": "document",
        "collapse": 0.99,
        "sort": "newest",
        "exact": True,
    }
    options = {field.name for field in fields(Wanted)}
    assert {*same, *other, "cursor"} == options, "say of a new option which of them it is"
    assert (await searcher.search(replace(first, cursor=cursor, **same))).hits
    for name, value in other.items():
        with pytest.raises(InvalidRequest, match="another search"):
            await searcher.search(replace(first, cursor=cursor, **{name: value}))


async def test_a_cursor_of_one_picture_is_not_anothers(
    collections: CollectionSet, encoder: FakeEncoder
) -> None:
    points, vectors = some_points(30)
    await collections.upsert(SPEC, points, vectors, beside=False)
    searcher = Searcher(collections, encoder)
    first = Wanted(BySimilar(str(points[0].id)), top_k=5)
    cursor = (await searcher.search(first)).next_cursor
    with pytest.raises(InvalidRequest, match="another search"):
        await searcher.search(Wanted(BySimilar(str(points[1].id)), top_k=5, cursor=cursor))


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(b"q" * 8, b"e" * 4, 77, (-0.25, 2**127 + 5), 0.5, (b"abcd", b"wxyz"))
    assert decode(cursor.encode(), b"q" * 8) == cursor


@pytest.mark.parametrize(
    "text",
    ["x", "????", "A" * 9000, "é", Cursor(b"q" * 8, b"e" * 4, 5, (0.0, 1)).encode()[:-3] + "é"],
)
async def test_what_is_no_cursor_is_refused(stub: Any, text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5, cursor=text))
    assert caught.value.field == "cursor"
