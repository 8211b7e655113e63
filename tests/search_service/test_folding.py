"""Pages of documents as one hit, and pictures that look the same as one hit."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.vector_index import IndexPoint, Vector
from tests.search_service.points import DIM, SPEC, point, unit, word_vector
from tests.search_service.requests import ids_in
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import search_pb2

QUERY = "a dog"


def at(cosine: float, seed: int) -> Vector:
    """A vector of this cosine to the query."""
    query = word_vector(QUERY).astype(np.float64)
    away = np.random.default_rng(seed).standard_normal(DIM)
    beside = unit(away - (away @ query) * query)
    return np.asarray(cosine * query + np.sqrt(1 - cosine**2) * beside, dtype=np.float32)


@pytest.fixture
async def documents(collections: CollectionSet) -> None:
    """Page n of document d is point 10 d + n, the later the better; 99 is a photo."""
    points: list[IndexPoint] = []
    vectors: list[Vector] = []
    for document in range(1, 6):
        for page in range(1, 5):
            number = 10 * document + page
            points.append(point(number, document=f"{document}.pdf", page=page))
            vectors.append(at(0.9 - 0.1 * document + 0.02 * page, number))
    points.append(point(99, file_name="photo.jpg"))
    vectors.append(at(0.75, 99))
    await collections.upsert(SPEC, points, np.stack(vectors), beside=False)


@pytest.mark.usefixtures("documents")
async def test_one_hit_a_document_with_its_other_pages_best_first(stub: Any) -> None:
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=3, group_by="document"))
    assert ids_in(answer) == [14, 24, 99]
    pages = answer.hits[0].pages
    assert [(UUID(page.id).int, page.page) for page in pages] == [(13, 3), (12, 2), (11, 1)]
    assert pages[0].score == pytest.approx(0.86, abs=1e-4)
    assert list(answer.hits[2].pages) == []


@pytest.mark.usefixtures("documents")
async def test_pages_of_grouped_hits_show_every_document_once(stub: Any) -> None:
    request = search_pb2.SearchRequest(text=QUERY, top_k=2, group_by="document")
    shown = []
    while True:
        answer = await stub.Search(request)
        shown.append(ids_in(answer))
        if not answer.next_cursor:
            break
        request.cursor = answer.next_cursor
    assert shown == [[14, 24], [99, 34], [44, 54]]


@pytest.mark.usefixtures("documents")
async def test_other_pages_meet_the_filters_too(stub: Any) -> None:
    request = search_pb2.SearchRequest(text=QUERY, top_k=1, group_by="document")
    request.filters.update({"page": {"lte": 2}})
    answer = await stub.Search(request)
    assert ids_in(answer) == [12]
    assert [page.page for page in answer.hits[0].pages] == [1]


@pytest.fixture
async def lookalikes(collections: CollectionSet) -> None:
    """Points 1 to 5 each with three almost the same: 101, 201, 301 of 1."""
    noise = np.random.default_rng(5)
    points: list[IndexPoint] = []
    vectors: list[Vector] = []
    for number in range(1, 6):
        original = at(0.9 - 0.1 * number, number)
        points.append(point(number))
        vectors.append(original)
        for copy in (100, 200, 300):
            almost = unit(original + 0.002 * copy / 100 * noise.standard_normal(DIM))
            points.append(point(copy + number))
            vectors.append(almost)
    await collections.upsert(SPEC, points, np.stack(vectors), beside=False)


@pytest.mark.usefixtures("lookalikes")
async def test_pictures_that_look_the_same_are_one_hit_that_names_them(stub: Any) -> None:
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5, collapse=0.99))
    families = [
        {UUID(hit.id).int % 100, *(UUID(same).int % 100 for same in hit.same_ids)}
        for hit in answer.hits
    ]
    assert families == [{1}, {2}, {3}, {4}, {5}]
    assert [len(hit.same_ids) for hit in answer.hits] == [3] * 5
    assert answer.next_cursor == ""
    without = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5))
    assert answer.hits[0].id == without.hits[0].id


@pytest.mark.usefixtures("lookalikes")
async def test_what_looks_the_same_as_a_hit_of_a_page_before_is_not_shown_again(stub: Any) -> None:
    request = search_pb2.SearchRequest(text=QUERY, top_k=2, collapse=0.99)
    families = []
    while True:
        answer = await stub.Search(request)
        families += [number % 100 for number in ids_in(answer)]
        if not answer.next_cursor:
            break
        request.cursor = answer.next_cursor
    assert families == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("lookalikes")
async def test_a_better_picture_uploaded_meanwhile_hides_nothing(
    stub: Any, collections: CollectionSet
) -> None:
    request = search_pb2.SearchRequest(text=QUERY, top_k=1, collapse=0.99)
    first = await stub.Search(request)
    of_3 = await collections.active.retrieve([UUID(int=3)])
    better = unit(of_3[0].vector + 0.05 * word_vector(QUERY))
    on_top = at(0.95, 3)
    points = [point(500), point(501)]
    await collections.upsert(SPEC, points, np.stack([on_top, better]), beside=False)
    request.top_k, request.cursor = 10, first.next_cursor
    second = await stub.Search(request)
    families = {number % 100 for number in ids_in(second)}
    assert {2, 3, 4, 5} <= families | {UUID(s).int % 100 for h in second.hits for s in h.same_ids}
    assert 0 not in families  # 500 sorts before what was shown


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("collapse", {"collapse": 0.2}),
        ("collapse", {"collapse": 1.5}),
        ("collapse", {"collapse": float("nan")}),
        ("group_by", {"group_by": "tags"}),
        ("sort", {"sort": "size"}),
    ],
)
async def test_wrong_options_are_refused_naming_them(
    stub: Any, field: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5, **wrong))
    assert caught.value.field == field
