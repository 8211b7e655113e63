"""Searches: what search_service is asked, and what its answer looks like over REST."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from gateway import search as search_routes
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_services import IMAGE_ID, OTHER_ID, FakeServices, record, struct, until
from tests.gateway.forms import FORM, field, file, form
from tests.hostile_files import encoded
from viewfinder.errors import (
    DeadlineExceeded,
    EncoderMismatch,
    ImageNotIndexed,
    NotCalibrated,
    Overloaded,
    ServiceUnavailable,
    UnknownFilterKey,
    ViewfinderError,
)
from viewfinder.v1 import common_pb2, search_pb2


def hit(**payload: Any) -> search_pb2.Hit:
    return search_pb2.Hit(id=IMAGE_ID, score=0.75, payload=struct(**payload))


async def test_a_search_is_passed_on_with_all_its_options(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = {
        "query": "  a cat ",
        "top_k": 7,
        "score_threshold": 0.25,
        "filters": {
            "category": "pets",
            "tags": ["a", "b"],
            "width": {"gte": 100, "lt": 2000},
            "taken_at": {"gte": "2025-01-01T00:00:00Z"},
            "metadata.ok": True,
            "metadata.count": 3,
        },
    }
    answer = await client.post("/search", json=body)
    assert answer.status_code == 200
    asked = services.search.last()
    assert (asked.text, asked.top_k, asked.score_threshold) == ("a cat", 7, 0.25)
    assert asked.filters == struct(**body["filters"])
    assert answer.json()["query"] == "a cat"


async def test_the_defaults_are_ten_results_of_any_score(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.post("/search", json={"query": "a cat"})
    assert services.search.last() == search_pb2.SearchRequest(
        text="a cat", top_k=10, filters=struct(), mode="auto", payload_as_json=True
    )


async def test_a_payload_may_come_as_json(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    payload = {"file_name": "Käfer.jpg", "width": 640, "metadata": {"share": 0.5}, "new": 1}
    services.search.hits = [
        search_pb2.Hit(id=IMAGE_ID, score=0.5, payload_json=json.dumps(payload).encode())
    ]
    answer = await client.post("/search", json={"query": "a cat"})
    (shown,) = answer.json()["results"]
    assert shown["metadata"]["file_name"] == "Käfer.jpg"
    assert shown["metadata"]["metadata"] == {"share": 0.5}
    assert "new" not in shown["metadata"]


async def test_hits_are_shown_with_what_the_index_knows(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.hits = [
        hit(
            file_name="cat.jpg",
            width=640,
            tags=["a"],
            location={"lat": 1.5, "lon": 2},
            metadata={"count": 3, "share": 0.5},
            unheard_of=1,
        )
    ]
    answer = await client.post("/search", json={"query": "a cat"})
    (shown,) = answer.json()["results"]
    assert answer.json()["total"] == 1
    assert (shown["id"], shown["score"]) == (IMAGE_ID, 0.75)
    assert shown["url"] == f"/images/{IMAGE_ID}/content"
    assert shown["thumbnail_url"] == f"/images/{IMAGE_ID}/content?width=320&format=webp"
    assert shown["metadata"]["location"] == {"lat": 1.5, "lon": 2.0}
    assert "unheard_of" not in shown["metadata"]
    assert '"width":640,' in answer.text
    assert re.search('"count":3[,}]', answer.text)
    assert shown["metadata"]["metadata"]["share"] == 0.5


async def test_relevance_is_shown_where_it_is_known(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.hits = [hit(), hit()]
    services.search.hits[0].relevance = 0.73456
    services.search.hits[1].late_score = 0.5
    answer = await client.post("/search", json={"query": "a cat"})
    assert [one["relevance"] for one in answer.json()["results"]] == [0.7346, None]
    assert [one["late_score"] for one in answer.json()["results"]] == [None, 0.5]


async def test_a_least_relevance_goes_with_every_kind_of_search(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.post("/search", json={"query": "a cat", "min_relevance": 0.5})
    assert services.search.last().min_relevance == 0.5
    parts = [field("min_relevance", "0.25"), file(encoded("PNG", bands()))]
    answer = await client.post("/search/image", content=form(*parts), headers=FORM)
    assert answer.status_code == 200, answer.text
    assert services.search.last().min_relevance == 0.25
    await client.get(f"/images/{IMAGE_ID}/similar", params={"min_relevance": 0.75})
    assert services.search.last().min_relevance == 0.75


async def test_a_least_relevance_of_an_encoder_without_calibration_says_what_to_do(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.failure = NotCalibrated(encoder="ViT-B-32--x")
    answer = await client.post("/search", json={"query": "a cat", "min_relevance": 0.5})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_calibrated")
    assert "viewfinder models calibrate ViT-B-32--x DATASET" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"query": ""}, "query"),
        ({"query": "   "}, "query"),
        ({"query": "x" * 513}, "query"),
        ({"query": 7}, "query"),
        ({"query": None}, "query"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 101}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"score_threshold": -0.1}, "score_threshold"),
        ({"score_threshold": 1.1}, "score_threshold"),
        ({"min_relevance": -0.1}, "min_relevance"),
        ({"min_relevance": 50}, "min_relevance"),
        ({"mode": "magic"}, "mode"),
        ({"colour": "red"}, "colour"),
        ({"filters": []}, "filters"),
        ({"filters": {f"metadata.{i}": 1 for i in range(33)}}, "filters"),
        ({"filters": {"tags": []}}, "filters.tags"),
        ({"filters": {"tags": ["x"] * 257}}, "filters.tags"),
        ({"filters": {"tags": None}}, "filters.tags"),
        ({"filters": {"width": {}}}, "filters.width"),
        ({"filters": {"width": {"about": 5}}}, "filters.width"),
        ({"filters": {"width": {"gte": [1]}}}, "filters.width"),
        ({"filters": {"width": 10**400}}, "filters.width"),
        ({"filters": {"file_name": "x" * 1025}}, "filters.file_name"),
    ],
)
async def test_a_value_that_is_not_allowed_is_a_422_naming_it(
    client: httpx.AsyncClient, services: FakeServices, change: dict[str, Any], name: str
) -> None:
    answer = await client.post("/search", json={"query": "a cat", **change})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["fields"]["field"] == name
    assert services.search.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "\\ud800"}',
        b'{"query": "a", "filters": {"tags": "\\ud800"}}',
        b'{"query": "a", "filters": {"\\ud800": 1}}',
        b'{"query": "a", "\\ud800": 1}',
        b'{"query": "a", "filters": {"tags": {"gte": "\\ud800"}}}',
        b'{"query": "a", "score_threshold": NaN}',
        b'{"query": "a", "filters": {"width": NaN}}',
        b'{"query": "a", "filters": {"width": {"gte": -Infinity}}}',
        b'{"query": "a", "filters": ' + b"[" * 50_000,
        b'{"query": "a", "filters": ' + b'{"a":' * 150 + b"1" + b"}" * 151,
        b"\xff\xff",
        b"[]",
        b"null",
        b"",
    ],
    ids=lambda body: repr(body[:45]),
)
async def test_json_that_nobody_can_search_for_is_refused(
    client: httpx.AsyncClient, services: FakeServices, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/search", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert services.search.requests == []


async def test_all_wrong_values_are_listed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/search", json={"query": "", "top_k": 0})
    assert {one["field"] for one in answer.json()["errors"]} == {"query", "top_k"}


async def test_a_long_wrong_value_is_not_sent_back_whole(client: httpx.AsyncClient) -> None:
    answer = await client.post("/search", json={"query": "x" * 100_000})
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (UnknownFilterKey(key="colour", allowed="tags"), 422),
        (EncoderMismatch(index_encoder="a", offered_encoder="b"), 409),
        (Overloaded(what="search", retry_after_s=3), 429),
        (ServiceUnavailable(service="embedding_service"), 503),
        (DeadlineExceeded(service="embedding_service"), 504),
    ],
    ids=lambda value: getattr(value, "code", value),
)
async def test_what_search_service_says_is_the_answer(
    client: httpx.AsyncClient, services: FakeServices, failure: ViewfinderError, status: int
) -> None:
    services.search.failure = failure
    answer = await client.post("/search", json={"query": "a cat"})
    assert answer.status_code == status
    assert answer.json()["code"] == failure.code
    assert answer.json()["fields"] == failure.field_values()
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) > 0


async def test_search_service_away_is_a_503(open_gateway: OpenGateway) -> None:
    client = await open_gateway(search_address="unix:/nowhere/search.sock")
    answer = await client.post("/search", json={"query": "a cat"})
    assert answer.status_code == 503
    assert answer.json()["fields"]["service"] == "search_service"


async def test_a_search_that_takes_too_long_is_a_504(
    client: httpx.AsyncClient, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_routes, "SEARCH_S", 0.1)
    services.search.delay_s = 30
    answer = await client.post("/search", json={"query": "a cat"})
    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"


# --- by picture ---


def bands() -> Image.Image:
    """Four rows of four colours; squashed to 4 x 4 nothing of it changes."""
    rows = np.repeat(np.array([0, 80, 160, 240], np.uint8), 4)
    return Image.fromarray(np.stack([rows.reshape(4, 4)] * 3, axis=-1))


@pytest.mark.parametrize("kind", ["form", "json"])
async def test_a_picture_arrives_as_the_encoder_wants_it(
    client: httpx.AsyncClient, services: FakeServices, kind: str
) -> None:
    content = encoded("PNG", bands())
    if kind == "form":
        body = form(
            field("top_k", "3"),
            field("score_threshold", "0.5"),
            file(content, name="file"),
            field("filters", '{"tags": "a"}'),
        )
        answer = await client.post("/search/image", content=body, headers=FORM)
    else:
        text = base64.b64encode(content).decode()
        options = {"top_k": 3, "score_threshold": 0.5, "filters": {"tags": "a"}}
        answer = await client.post("/search/image", json={"image_base64": text, **options})
    assert answer.status_code == 200
    assert answer.json()["query"] is None
    asked = services.search.last()
    assert asked.pixels == common_pb2.Pixels(
        data=np.asarray(bands()).tobytes(), count=1, height=4, width=4
    )
    assert (asked.top_k, asked.score_threshold, asked.filters) == (3, 0.5, struct(tags="a"))


async def test_the_index_is_asked_once_what_its_encoder_wants(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    for _ in range(3):
        body = form(file(encoded("PNG", bands())))
        await client.post("/search/image", content=body, headers=FORM)
    asked = [r for r in services.search.requests if isinstance(r, search_pb2.GetCollectionRequest)]
    assert len(asked) == 1
    assert services.embedding.requests == []


async def test_while_the_index_is_new_the_encoder_of_the_settings_is_asked(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.spec = None
    services.embedding.pixels.size = 5
    await client.post("/search/image", content=form(file(encoded("PNG", bands()))), headers=FORM)
    assert services.search.last().pixels.width == 5


async def test_after_a_switch_the_picture_is_prepared_anew(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = form(file(encoded("PNG", bands())))
    await client.post("/search/image", content=body, headers=FORM)
    larger = common_pb2.PixelSpec(size=6, resize_mode="shortest", interpolation="bicubic")
    services.search.spec = common_pb2.EncoderSpec(name="next", revision="r", dim=8, pixels=larger)
    answer = await client.post("/search/image", content=body, headers=FORM)
    assert answer.status_code == 200
    assert services.search.last().pixels.height == 6


async def test_after_a_failure_the_index_is_asked_again(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = form(file(encoded("PNG", bands())))
    await client.post("/search/image", content=body, headers=FORM)
    services.search.failure = EncoderMismatch(index_encoder="a", offered_encoder="b")
    answer = await client.post("/search/image", content=body, headers=FORM)
    assert answer.status_code == 409
    services.search.failure = None
    assert services.search.spec is not None
    services.search.spec.pixels.size = 8
    await client.post("/search/image", content=body, headers=FORM)
    assert services.search.last().pixels.width == 8


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (b"no picture at all", 415, "unsupported_media_type"),
        (encoded("PNG")[:200], 422, "broken_image"),
        (encoded("PNG", Image.new("1", (2000, 2000))), 413, "image_too_large"),
    ],
    ids=["empty", "text", "broken", "too many pixels"],
)
async def test_what_is_no_picture_is_refused(
    open_gateway: OpenGateway, services: FakeServices, content: bytes, status: int, code: str
) -> None:
    client = await open_gateway(max_pixels=1_000_000)
    answer = await client.post("/search/image", content=form(file(content)), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not any(isinstance(r, search_pb2.SearchRequest) for r in services.search.requests)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [file(b"x"), file(b"y")],
        [file(b"x"), field("colour", "red")],
        [file(b"x"), field("top_k", "0")],
        [file(b"x"), field("top_k", "many")],
        [file(b"x"), field("score_threshold", "nan")],
        [file(b"x"), field("filters", "[]")],
        [file(b"x"), field("filters", "{broken")],
    ],
    ids=["no file", "two files", "unknown", "top_k", "no number", "nan", "a list", "broken"],
)
async def test_a_wrong_form_is_refused(
    client: httpx.AsyncClient, services: FakeServices, parts: list[bytes]
) -> None:
    answer = await client.post("/search/image", content=form(*parts), headers=FORM)
    assert answer.status_code == 422
    assert services.search.requests == []


async def test_a_picture_to_search_by_may_not_be_larger_than_the_limit(
    open_gateway: OpenGateway,
) -> None:
    client = await open_gateway(max_inline_image_bytes=2000)
    answer = await client.post("/search/image", content=form(file(bytes(2001))), headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


async def test_too_many_pictures_at_once_are_told_to_come_again(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway(query_pictures=1)
    services.search.spec = None
    services.embedding.delay_s = 0.5
    body = form(file(encoded("PNG", bands())))
    first = asyncio.create_task(client.post("/search/image", content=body, headers=FORM))
    await until(lambda: bool(services.embedding.requests))
    second = await client.post("/search/image", content=body, headers=FORM)
    assert (second.status_code, second.json()["code"]) == (429, "overloaded")
    assert int(second.headers["retry-after"]) > 0
    assert (await first).status_code == 200
    third = await client.post("/search/image", content=body, headers=FORM)
    assert third.status_code == 200


async def test_embedding_service_away_is_a_503(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway(embedding_address="unix:/nowhere/embedding.sock")
    services.search.spec = None
    body = form(file(encoded("PNG", bands())))
    answer = await client.post("/search/image", content=body, headers=FORM)
    assert answer.status_code == 503
    assert answer.json()["fields"]["service"] == "embedding_service"


# --- more like this ---


async def test_more_like_this_is_asked_by_id(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    query = {"top_k": 4, "score_threshold": 0.5}
    answer = await client.get(f"/images/{IMAGE_ID}/similar", params=query)
    assert answer.status_code == 200
    asked = services.search.last()
    assert (asked.image_id, asked.top_k, asked.score_threshold) == (IMAGE_ID, 4, 0.5)


async def test_more_like_an_unknown_picture_is_a_404(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/images/{OTHER_ID}/similar")).status_code == 404


async def test_more_like_a_picture_that_waits_is_a_409_with_its_state(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(state="queued")
    services.search.failure = ImageNotIndexed(image_id=IMAGE_ID, state="unknown")
    answer = await client.get(f"/images/{IMAGE_ID}/similar")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_not_indexed")
    assert answer.json()["fields"]["state"] == "queued"


@pytest.mark.parametrize(
    "query",
    [
        "top_k=0",
        "top_k=101",
        "score_threshold=2",
        "score_threshold=nan",
        "weight=0",
        "examples=at+night",
        'examples={"text": "at night", "weight": 0}',
    ],
)
async def test_a_wrong_question_for_more_is_a_422(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/images/{IMAGE_ID}/similar?{query}")).status_code == 422


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


async def test_a_form_takes_all_options(client: httpx.AsyncClient, services: FakeServices) -> None:
    parts = [
        file(encoded("png")),
        field("query", "at night"),
        field("query_weight", "0.5"),
        field("negative", '["a toy"]'),
        field("examples", '[{"text": "snow"}]'),
        field("facets", "tags, category"),
        field("collapse", "0.9"),
    ]
    answer = await client.post("/search/image", content=form(*parts), headers=FORM)
    assert (answer.status_code, answer.json()["query"]) == (200, "at night")
    asked = services.search.last()
    assert [(one.text, round(one.weight, 3)) for one in asked.also] == [
        ("a toy", -0.4),
        ("snow", 1),
        ("at night", 0.5),
    ]
    assert list(asked.facets) == ["tags", "category"]
    assert asked.WhichOneof("query") == "pixels"


async def test_similar_takes_options_in_its_address(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records = {IMAGE_ID: record()}
    parameters = [
        ("filters", '{"tags": "a"}'),
        ("negative", "a toy"),
        ("facets", "tags"),
        ("facets", "camera"),
        ("group_by", "document"),
        ("sort", "newest"),
        ("weight", "2"),
        ("examples", '{"text": "at night", "weight": 0.5}'),
        ("examples", f'{{"image_id": "{OTHER_ID}", "weight": -1}}'),
        ("exact", "true"),
    ]
    answer = await client.get(f"/images/{IMAGE_ID}/similar", params=parameters)
    assert answer.status_code == 200
    asked = services.search.last()
    assert asked.filters == struct(tags="a")
    assert [(one.text or one.image_id, one.weight) for one in asked.also[1:]] == [
        ("at night", 0.5),
        (OTHER_ID, -1),
    ]
    assert asked.also[0].text == "a toy"
    assert (asked.weight, asked.exact) == (2, True)
    assert list(asked.facets) == ["tags", "camera"]
    assert (asked.group_by, asked.sort) == ("document", "newest")
