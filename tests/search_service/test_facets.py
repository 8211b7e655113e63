"""Which values the pictures that meet the filters have, and how often; and sorting by time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from search_service import facets
from search_service.collection_set import CollectionSet
from tests.search_service.points import SPEC, point, some_points
from tests.search_service.requests import ids_in
from viewfinder.errors import InvalidRequest, UnknownFilterKey
from viewfinder.v1 import search_pb2

PAYLOADS: list[dict[str, Any]] = [
    {"tags": ["cat", "pet"], "category": "animal", "metadata": {"shop": "north", "stars": 5}},
    {"tags": ["cat"], "category": "animal", "metadata": {"shop": "south", "stars": 5.5}},
    {"tags": ["dog", "pet"], "category": "animal", "metadata": {"shop": "north", "sold": True}},
    {"tags": ["car"], "category": "thing", "metadata": {"shop": ["north", "south"], "stars": 1}},
    {"camera": "Nikon D90", "metadata": {"a": {"b": "nested"}, "sold": 1}},
    {"document": "x.pdf", "media_type": "application/pdf", "metadata": {"a.b": "dotted"}},
]


@pytest.fixture(autouse=True)
async def pictures(collections: CollectionSet) -> None:
    vectors = some_points(len(PAYLOADS))[1]
    points = [point(number, **payload) for number, payload in enumerate(PAYLOADS, start=1)]
    await collections.upsert(SPEC, points, vectors, beside=False)


async def count(stub: Any, *keys: str, **filters: Any) -> list[dict[Any, int]]:
    request = search_pb2.SearchRequest(text="a dog", top_k=1, facets=keys)
    request.filters.update(filters)
    answer = await stub.Search(request)
    assert [facet.key for facet in answer.facets] == list(keys)
    return [
        {getattr(one, one.WhichOneof("value")): one.count for one in facet.values}
        for facet in answer.facets
    ]


async def test_values_are_counted_over_all_pictures_not_over_the_page(stub: Any) -> None:
    assert await count(stub, "tags", "category", "camera", "document", "media_type") == [
        {"cat": 2, "pet": 2, "car": 1, "dog": 1},
        {"animal": 3, "thing": 1},
        {"Nikon D90": 1},
        {"x.pdf": 1},
        {"application/pdf": 1},
    ]


async def test_values_are_counted_of_what_meets_the_filters(stub: Any) -> None:
    assert await count(stub, "tags", category="animal", tags={"not": "dog"}) == [
        {"cat": 2, "pet": 1}
    ]


async def test_the_users_own_keys_are_counted_with_their_kinds(stub: Any) -> None:
    keys = ("metadata.shop", "metadata.stars", "metadata.a.b")
    assert await count(stub, *keys) == [
        {"north": 3, "south": 2},
        {5.0: 1, 5.5: 1, 1.0: 1},
        {"nested": 1, "dotted": 1},
    ]
    request = search_pb2.SearchRequest(text="a dog", top_k=1, facets=["metadata.sold"])
    values = (await stub.Search(request)).facets[0].values
    assert {one.WhichOneof("value") for one in values} == {"flag", "number"}


async def test_own_keys_are_counted_among_the_best_when_there_are_many(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "MOST_COUNTED", 3)
    request = search_pb2.SearchRequest(text="a dog", top_k=6, facets=["metadata.shop", "tags"])
    answer = await stub.Search(request)
    assert [facet.among for facet in answer.facets] == [3, 0]
    best = [PAYLOADS[number - 1] for number in ids_in(answer)[:3]]
    shops = [payload["metadata"].get("shop", []) for payload in best]
    expected = sum(len(shop) if isinstance(shop, list) else 1 for shop in shops)
    assert sum(one.count for one in answer.facets[0].values) == expected


async def test_deleted_pictures_are_counted_no_more(stub: Any) -> None:
    await stub.DeletePoints(search_pb2.DeletePointsRequest(ids=[str(UUID(int=4))]))
    assert await count(stub, "category") == [{"animal": 3}]


async def test_keys_without_values_to_count_are_refused(stub: Any) -> None:
    for key in ("width", "colour", "metadata.", "location"):
        with pytest.raises(UnknownFilterKey):
            await count(stub, key)
    with pytest.raises(InvalidRequest):
        await count(stub, *(f"metadata.k{number}" for number in range(9)))


async def test_hits_are_sorted_by_when_they_were_taken_or_else_uploaded(
    stub: Any, collections: CollectionSet
) -> None:
    times: list[dict[str, str]] = [
        {"taken_at": "2026-01-03T00:00:00Z", "uploaded_at": "2026-06-01T00:00:00Z"},
        {"uploaded_at": "2026-01-02T00:00:00+02:00"},
        {"taken_at": "2026-01-04T00:00:00Z"},
        {"taken_at": "once upon a time"},
        {"taken_at": "2025-12-31T00:00:00Z"},
    ]
    points = [point(number, **payload) for number, payload in enumerate(times, start=1)]
    await collections.set_payload(points)
    await collections.delete([UUID(int=6)])
    request = search_pb2.SearchRequest(text="a dog", top_k=10, sort="newest")
    assert ids_in(await stub.Search(request)) == [3, 1, 2, 5, 4]
    request.sort = "oldest"
    assert ids_in(await stub.Search(request)) == [5, 2, 1, 3, 4]
