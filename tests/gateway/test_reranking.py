"""`rerank` and `include_explanation` of POST /search: what a model adds, and never breaks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.conftest import OpenGateway, VisionSettings
from tests.gateway.fake_records import record, struct
from tests.gateway.fake_services import FakeServices
from tests.vision import looking
from tests.vision.model_server import Behaviour, ModelServer
from viewfinder.v1 import search_pb2

COLOURS = ["red", "blue", "yellow", "green", "black", "white"]


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


@pytest.fixture(autouse=True)
def twelve(services: FakeServices) -> None:
    """Twelve pictures, found in the order of their numbers; number n has n squares."""
    services.search.hits = []
    for number in range(12):
        image_id, colour = id_of(number), COLOURS[number % 6]
        services.catalog.records[image_id] = record(image_id, file_name=f"{colour}.jpg")
        services.image.renditions[image_id] = looking.jpeg(looking.picture(colour, number))
        services.search.hits.append(
            search_pb2.Hit(id=image_id, score=0.5 - number / 100, payload=struct(file_name=colour))
        )


async def search(client: httpx.AsyncClient, **options: Any) -> dict[str, Any]:
    answer = await client.post("/search", json={"query": "green with 9 squares", **options})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def numbers(body: dict[str, Any]) -> list[int]:
    return [int(hit["id"][-12:]) for hit in body["results"]]


async def test_the_model_puts_its_best_four_of_ten_first_with_reasons(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    body = await search(await open_gateway(**asks), rerank=True, top_k=12)
    assert numbers(body)[:4] == [9, 3, 0, 1]  # green with 9, green, then as they were
    assert numbers(body)[4:] == [2, 4, 5, 6, 7, 8, 10, 11]
    reasons = [hit["reason"] for hit in body["results"]]
    assert all("shapes" in reason for reason in reasons[:4])
    assert reasons[4:] == [None] * 8
    outcome = body["rerank"]
    assert (outcome["applied"], outcome["why"], outcome["looked_at"]) == (True, None, 10)
    (chat,) = ollama.chats
    assert [one.shapes for one in chat.seen] == list(range(10))
    assert {one.rendition.width for one in services.image.requests} == {512}


async def test_fewer_results_than_ten_are_still_chosen_from_ten(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices
) -> None:
    services.search.next_cursor = "more"
    body = await search(await open_gateway(**asks), rerank=True, top_k=2)
    assert services.search.last().top_k == 10
    assert numbers(body) == [9, 3]
    assert (body["total"], body["next_cursor"]) == (2, None)


async def test_how_many_are_put_first_can_be_said(
    open_gateway: OpenGateway, asks: VisionSettings
) -> None:
    body = await search(await open_gateway(**asks), rerank=True, rerank_keep=1)
    assert numbers(body)[:3] == [9, 0, 1]


@pytest.mark.parametrize(
    "behaviour",
    ["refuses", "breaks", "error", "garbage", "not-json", "wrong-json", "wrong-picture", "never"],
)
async def test_any_fault_leaves_the_order_and_says_why(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer, behaviour: Behaviour
) -> None:
    ollama.behaviour = behaviour
    patience = {"llm_timeout_s": 1.0} if behaviour == "never" else {}
    client = await open_gateway(**asks, **patience)
    body = await search(client, rerank=True, include_explanation=True)
    if behaviour == "breaks":  # only streams break in the middle
        assert body["explanation_error"]
        return
    assert numbers(body) == list(range(12))[:10]
    assert body["rerank"]["applied"] is False
    assert body["rerank"]["why"]
    assert [hit["reason"] for hit in body["results"]] == [None] * 10
    plain = await search(client)
    assert (plain["rerank"], plain["explanation"], plain["explanation_error"]) == (None,) * 3


async def test_a_picture_that_gives_orders_does_not_change_the_answer(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    ollama.obeys_pictures = True
    services.image.renditions[id_of(4)] = looking.jpeg(looking.striped())
    body = await search(await open_gateway(**asks), rerank=True)
    assert numbers(body) == list(range(10))
    assert "form asked for" in body["rerank"]["why"]
    assert "HACKED" not in str(body["results"])


async def test_a_further_page_stands_as_it_was_found(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    body = await search(await open_gateway(**asks), rerank=True, cursor="of the page before")
    assert body["rerank"]["applied"] is False
    assert ollama.chats == []


async def test_an_explanation_is_about_the_first_five(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    body = await search(await open_gateway(**asks), include_explanation=True)
    assert "[5] is black" in body["explanation"]
    assert body["explanation_error"] is None
    (chat,) = ollama.chats
    assert len(chat.seen) == 5
    assert chat.body["options"]["temperature"] == 0.3
    assert numbers(body) == list(range(10))


async def test_without_a_result_no_model_is_asked(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    services.search.hits = []
    body = await search(await open_gateway(**asks), rerank=True, include_explanation=True)
    assert body["explanation_error"] == "nothing was found"
    assert body["rerank"]["applied"] is False
    assert ollama.chats == []


async def test_plain_searches_ask_no_model(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    await search(await open_gateway(**asks))
    assert ollama.received == []


async def test_searches_with_a_model_are_not_among_the_latencies(
    open_gateway: OpenGateway, asks: VisionSettings
) -> None:
    client = await open_gateway(**asks)
    await search(client, rerank=True)
    assert (await client.get("/stats")).json()["latency"]["total"]["count"] == 0
