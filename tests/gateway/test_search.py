"""Searches: what search_service is asked, and what its answer looks like over REST."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from gateway import search as search_routes
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID, struct
from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import FORM, field, file, form
from tests.hostile_files import encoded
from viewfinder.errors import (
    DeadlineExceeded,
    EncoderMismatch,
    NotCalibrated,
    Overloaded,
    ServiceUnavailable,
    UnknownFilterKey,
    ViewfinderError,
)
from viewfinder.v1 import search_pb2


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
    parts = [field("min_relevance", "0.25"), file(encoded("PNG"))]
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
