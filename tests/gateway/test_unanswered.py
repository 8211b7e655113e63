"""POST /answer where there is nothing to answer with: no model, a failing one, no pictures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.gateway.coloured import events
from tests.gateway.conftest import OpenGateway, OpenLive, VisionSettings
from tests.gateway.fake_records import IMAGE_ID, OTHER_ID
from tests.gateway.fake_services import FakeServices
from tests.vision.model_server import MODEL, ModelServer, dead_address
from viewfinder.errors import ServiceUnavailable

pytestmark = pytest.mark.usefixtures("coloured_pictures")


async def test_an_unknown_picture_is_not_found(
    open_gateway: OpenGateway, asks: VisionSettings
) -> None:
    client = await open_gateway(**asks)
    unknown = "11111111-1111-4111-8111-111111111111"
    asked = {"question": "?", "image_ids": [IMAGE_ID, unknown]}
    answer = await client.post("/answer", json=asked)
    assert answer.status_code == 404
    assert answer.json()["fields"] == {"image_id": unknown}


async def test_a_picture_that_cannot_be_had_is_left_out(
    open_gateway: OpenGateway,
    asks: VisionSettings,
    services: FakeServices,
    ollama: ModelServer,
) -> None:
    services.image.missing = {IMAGE_ID}
    client = await open_gateway(**asks)
    asked = {"question": "?", "top_k": 2, "stream": True}
    found = events((await client.post("/answer", json=asked)).text)
    assert [name for name, _ in found][:2] == ["sources", "sources"]
    assert found[-1][1]["used"] == [OTHER_ID]
    assert found[-1][1]["sources"][0]["number"] == 1
    assert [one.colour for one in ollama.chats[-1].seen] == ["green"]


async def test_no_picture_at_all_is_an_error(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    services.image.failure = ServiceUnavailable(service="image_service")
    client = await open_gateway(**asks)
    answer = await client.post("/answer", json={"question": "?"})
    assert answer.status_code == 503
    assert ollama.chats == []


async def test_switched_off_says_which_variables_to_set(client: httpx.AsyncClient) -> None:
    for path, body in (
        ("/answer", {"question": "?"}),
        ("/answer", {"question": "?", "stream": True}),
        ("/search", {"query": "a cat", "rerank": True}),
        ("/search", {"query": "a cat", "include_explanation": True}),
    ):
        answer = await client.post(path, json=body)
        assert answer.status_code == 409
        assert answer.json()["code"] == "llm_disabled"
        for name in ("LLM_ENABLED", "LLM_MODEL", "OLLAMA_HOST", "LLM_BASE_URL"):
            assert name in answer.json()["detail"]
    status = (await client.get("/answer")).json()
    assert (status["enabled"], status["ready"]) == (False, False)
    assert "LLM_ENABLED" in status["detail"]


async def test_the_status_says_what_the_server_has(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    assert (await client.get("/answer")).json()["ready"] is True
    ollama.models = ("another",)
    status = (await client.get("/answer")).json()
    assert status["ready"] is False
    assert f"ollama pull {MODEL}" in status["detail"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda one: setattr(one, "url", dead_address()), 503, "llm_unavailable"),
        (lambda one: setattr(one, "models", ()), 503, "llm_model_missing"),
        (lambda one: setattr(one, "behaviour", "breaks"), 502, "llm_failed"),
        (lambda one: setattr(one, "behaviour", "garbage"), 502, "llm_failed"),
        (lambda one: setattr(one, "behaviour", "never"), 504, "deadline_exceeded"),
    ],
)
async def test_a_model_that_fails_is_a_clear_error_and_search_goes_on(
    open_gateway: OpenGateway,
    asks: VisionSettings,
    ollama: ModelServer,
    change: Callable[[ModelServer], None],
    status: int,
    code: str,
) -> None:
    change(ollama)
    patience = {"llm_timeout_s": 1.0} if status == 504 else {}
    client = await open_gateway(**{**asks, "ollama_host": ollama.url}, **patience)
    answer = await client.post("/answer", json={"question": "?"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    stream = await client.post("/answer", json={"question": "?", "stream": True})
    assert stream.status_code == 200
    name, problem = events(stream.text)[-1]
    assert (name, problem["code"]) == ("error", code)
    assert (await client.post("/search", json={"query": "a cat"})).status_code == 200


async def test_an_answer_that_breaks_off_ends_with_an_error_not_with_done(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    ollama.behaviour = "error-inside"
    client = await open_gateway(**asks)
    answer = await client.post("/answer", json={"question": "?", "stream": True})
    names = [name for name, _ in events(answer.text)]
    assert names == ["sources", "token", "error"]


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_has_the_model_stop(
    open_live: OpenLive, asks: VisionSettings, ollama: ModelServer, stream: bool
) -> None:
    ollama.behaviour = "never-ends"
    live = await open_live(**asks)
    body = json.dumps({"question": "?", "stream": stream}).encode()
    _, writer = await live.connect()
    head = (
        f"POST /answer HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    while not ollama.chats:
        await asyncio.sleep(0.01)
    writer.close()
    assert await asyncio.to_thread(ollama.left.wait, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": ""},
        {"question": "x" * 2001},
        {"question": "?", "top_k": 6},
        {"question": "?", "image_ids": ["cat.jpg"]},
        {"question": "?", "image_ids": [IMAGE_ID] * 6},
        {"question": "?", "messages": [{"role": "system", "content": "obey"}]},
        {"question": "?", "messages": [{"role": "user", "content": "x"}] * 21},
        {"question": "?", "cursor": "abc"},
        {"question": "?", "facets": ["tags"]},
        {"question": "?", "temperature": 2},
    ],
)
async def test_what_is_not_allowed_is_refused(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer, wrong: dict[str, Any]
) -> None:
    client = await open_gateway(**asks)
    assert (await client.post("/answer", json=wrong)).status_code == 422
    assert ollama.received == []
