"""What a search may be made of beside its text, and what its answer may have beside hits."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, struct
from tests.gateway.fake_services import FakeServices
from viewfinder.errors import ImageNotIndexed
from viewfinder.v1 import search_pb2


async def test_the_parts_of_a_query_travel_with_their_weights(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = {
        "query": "a dog",
        "weight": 2,
        "negative": ["a toy", " a drawing "],
        "examples": [{"text": "snow", "weight": 0.5}, {"image_id": OTHER_ID, "weight": -1}],
    }
    assert (await client.post("/search", json=body)).status_code == 200
    asked = services.search.last()
    assert (asked.text, asked.weight) == ("a dog", 2)
    assert [(one.text or one.image_id, round(one.weight, 3)) for one in asked.also] == [
        ("a toy", -0.2),
        ("a drawing", -0.2),
        ("snow", 0.5),
        (OTHER_ID, -1),
    ]


async def test_one_negative_text_needs_no_list(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.post("/search", json={"query": "a dog", "negative": "a toy"})
    (part,) = services.search.last().also
    assert (part.text, round(part.weight, 3)) == ("a toy", -0.4)


async def test_options_of_the_answer_travel(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = {
        "query": "a dog",
        "facets": ["tags", "metadata.shop"],
        "group_by": "document",
        "collapse": 0.9,
        "sort": "oldest",
        "cursor": "abc",
    }
    await client.post("/search", json=body)
    asked = services.search.last()
    assert list(asked.facets) == ["tags", "metadata.shop"]
    assert (asked.group_by, asked.sort, asked.cursor) == ("document", "oldest", "abc")
    assert asked.collapse == pytest.approx(0.9)


async def test_objects_of_filters_travel_as_they_were_written(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    filters = {
        "tags": {"any": ["a", "b"], "not": "c"},
        "camera": {"exists": False},
        "width": {"not": {"gte": 5}},
        "location": {"top": 3, "left": 1, "bottom": 2, "right": 4},
        "metadata.place": {"lat": 1.5, "lon": 2, "radius_m": 3},
        "metadata.box": {
            "top_left": {"lat": 3, "lon": 1},
            "bottom_right": {"lat": 2, "lon": 4},
        },
    }
    answer = await client.post("/search", json={"query": "a dog", "filters": filters})
    assert answer.status_code == 200
    assert services.search.last().filters == struct(**filters)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"negative": [""]}, "negative"),
        ({"negative": ["x"] * 9}, "negative"),
        ({"examples": [{"text": "a", "image_id": OTHER_ID}]}, "examples"),
        ({"examples": [{"weight": 1}]}, "examples"),
        ({"examples": [{"text": "a", "weight": 0}]}, "examples"),
        ({"examples": [{"image_id": "cat.jpg"}]}, "examples"),
        ({"examples": [{"text": "a"}] * 9}, "examples"),
        ({"weight": 0}, "weight"),
        ({"weight": 1000}, "weight"),
        ({"facets": ["tags"] * 9}, "facets"),
        ({"group_by": "tags"}, "group_by"),
        ({"sort": "size"}, "sort"),
        ({"collapse": 2}, "collapse"),
        ({"cursor": "x" * 9000}, "cursor"),
        ({"filters": {"tags": {"not": {"not": "a"}}}}, "filters.tags"),
        ({"filters": {"tags": {"exists": 1}}}, "filters.tags"),
        ({"filters": {"tags": {"not": None}}}, "filters.tags"),
        ({"filters": {"location": {"lat": 500, "lon": 1, "radius_m": 1}}}, "filters.location"),
    ],
)
async def test_wrong_options_are_refused_naming_them(
    client: httpx.AsyncClient, services: FakeServices, change: dict[str, Any], name: str
) -> None:
    answer = await client.post("/search", json={"query": "a dog", **change})
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"].startswith(name)
    assert services.search.requests == []


async def test_an_answer_shows_cursor_facets_and_what_hits_stand_for(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    page = search_pb2.GroupPage(id=OTHER_ID, score=0.5, page=2)
    services.search.hits = [search_pb2.Hit(id=IMAGE_ID, same_ids=[OTHER_ID], pages=[page])]
    services.search.next_cursor = "more"
    values = [
        search_pb2.FacetValue(text="a", count=3),
        search_pb2.FacetValue(number=2, count=2),
        search_pb2.FacetValue(flag=True, count=1),
    ]
    services.search.facets = [search_pb2.Facet(key="metadata.x", values=values, among=1000)]
    answer = (await client.post("/search", json={"query": "a dog"})).json()
    assert answer["next_cursor"] == "more"
    (facet,) = answer["facets"]
    assert [one["value"] for one in facet["values"]] == ["a", 2, True]
    assert facet["among"] == 1000
    (shown,) = answer["results"]
    assert shown["same_ids"] == [OTHER_ID]
    assert shown["pages"][0]["page"] == 2
    assert shown["pages"][0]["url"] == f"/images/{OTHER_ID}/content"


async def test_an_example_that_is_nowhere_is_not_found(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.failure = ImageNotIndexed(image_id=OTHER_ID, state="not in the index")
    body = {"query": "a dog", "examples": [{"image_id": OTHER_ID}]}
    answer = await client.post("/search", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "image_not_found")
