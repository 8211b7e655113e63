"""POST /answer: what the model is shown, what comes back, and what happens when it fails."""

from __future__ import annotations

import json
import threading

import pytest

from tests.gateway.coloured import COLOURS, THIRD_ID, events, hit
from tests.gateway.conftest import OpenGateway, VisionSettings
from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record
from tests.gateway.fake_services import FakeServices
from tests.vision.model_server import MODEL, ModelServer
from tests.vision.openai_server import openai_server
from viewfinder.v1 import common_pb2

pytestmark = pytest.mark.usefixtures("coloured_pictures")


async def test_a_question_is_answered_from_the_best_match(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    answer = await client.post("/answer", json={"question": "What colour is it?"})
    assert answer.status_code == 200
    body = answer.json()
    assert "red" in body["answer"]
    assert body["found"] is True
    assert body["used"] == [IMAGE_ID]
    assert body["cited"] == [IMAGE_ID]
    (source,) = body["sources"]
    assert source["number"] == 1
    assert source["file_name"] == "red.jpg"
    assert source["url"].endswith(f"/images/{IMAGE_ID}/content")
    assert body["model"] == MODEL
    assert body["timings"]["total_ms"] >= body["timings"]["first_token_ms"] > 0
    asked = services.search.requests[0]
    assert (asked.text, asked.top_k, asked.mode) == ("What colour is it?", 10, "auto")
    (one,) = ollama.chats[-1].seen
    assert (one.colour, one.shapes, one.format) == ("red", 2, "JPEG")


async def test_the_best_k_are_shown_in_their_order(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    answer = await client.post(
        "/answer",
        json={"question": "Which is red?", "query": "paint", "top_k": 3, "mode": "hybrid"},
    )
    assert answer.json()["used"] == list(COLOURS)
    assert [one.colour for one in ollama.chats[-1].seen] == list(COLOURS.values())
    asked = services.search.requests[0]
    assert (asked.text, asked.top_k, asked.mode) == ("paint", 10, "hybrid")


async def test_a_stream_has_sources_first_then_words_then_timings(
    open_gateway: OpenGateway, asks: VisionSettings
) -> None:
    client = await open_gateway(**asks)
    answer = await client.post("/answer", json={"question": "What is it?", "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    names = [name for name, _ in found]
    assert names[0] == "sources"
    assert names[-1] == "done"
    assert len(names) > 3
    assert set(names[1:-1]) == {"token"}
    assert [one["id"] for one in found[0][1]["sources"]] == [IMAGE_ID]
    said = "".join(data["text"] for name, data in found if name == "token")
    assert said.strip() == found[-1][1]["answer"]
    assert found[-1][1]["used"] == [IMAGE_ID]


async def test_pictures_are_asked_for_small_and_as_jpeg(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices
) -> None:
    sizes = {IMAGE_ID: (4000, 3000), OTHER_ID: (3000, 4000), THIRD_ID: (100, 9000)}
    for image_id, (width, height) in sizes.items():
        services.catalog.records[image_id] = record(image_id, width=width, height=height)
    client = await open_gateway(**asks)
    await client.post("/answer", json={"question": "?", "top_k": 3})
    renditions = {one.image_id: one.rendition for one in services.image.requests}
    assert {one.format for one in renditions.values()} == {"jpeg"}
    widths = [renditions[image_id].width for image_id in COLOURS]
    assert widths == [1024, 640, 64]  # no side beyond 1024, but for what is very long


async def test_pages_of_documents_are_shown_and_named(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    services.catalog.records[IMAGE_ID] = record(
        file_name="report.pdf",
        media_type="application/pdf",
        document_id=OTHER_ID,
        page=7,
        pages=9,
        password="sesame",
        text_source="pdf",
    )
    words = [
        common_pb2.Word(text="Total:", line=0),
        common_pb2.Word(text="99.50", line=0),
        common_pb2.Word(text="Thank you", line=1),
    ]
    services.catalog.texts[IMAGE_ID] = common_pb2.ReadText(source="pdf", words=words)
    client = await open_gateway(**asks)
    body = (await client.post("/answer", json={"question": "What is the total?"})).json()
    (source,) = body["sources"]
    assert (source["page"], source["document_id"]) == (7, OTHER_ID)
    assert "sesame" not in json.dumps(body)
    (asked,) = services.image.requests
    assert (asked.page, asked.password) == (7, "sesame")
    told = ollama.chats[-1].body["messages"][-1]["content"]
    assert "Total: 99.50\\nThank you" in told
    assert "sesame" not in json.dumps(ollama.chats[-1].body)


async def test_nothing_relevant_is_said_without_asking_the_model(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    for hits in ([], [hit(IMAGE_ID, relevance=0.01)]):
        services.search.hits = hits
        body = (await client.post("/answer", json={"question": "An invoice?"})).json()
        assert body["found"] is False
        assert body["sources"] == body["used"] == []
        assert "Nothing relevant" in body["answer"]
        stream = await client.post("/answer", json={"question": "An invoice?", "stream": True})
        assert [name for name, _ in events(stream.text)] == ["sources", "token", "done"]
    assert ollama.chats == []


async def test_a_picture_whose_words_were_found_is_relevant(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices
) -> None:
    client = await open_gateway(**asks)
    services.search.hits = [hit(IMAGE_ID, relevance=0.01, matched=["red"], words_fit=True)]
    assert (await client.post("/answer", json={"question": "red.jpg?"})).json()["found"]
    services.search.hits = [hit(IMAGE_ID, relevance=None)]  # no calibration
    assert (await client.post("/answer", json={"question": "What?"})).json()["found"]


async def test_a_page_is_relevant_when_its_rows_are_and_not_because_it_has_some(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    asked = {"question": "What does the plumber cost?", "mode": "document"}
    services.search.hits = [hit(IMAGE_ID, relevance=0.01, late_score=0.4)]
    body = (await client.post("/answer", json=asked)).json()
    assert (body["found"], ollama.chats) == (False, [])
    services.search.hits[0].late_relevance = 0.02
    assert not (await client.post("/answer", json=asked)).json()["found"]
    services.search.hits[0].late_relevance = 0.6
    assert (await client.post("/answer", json=asked)).json()["found"]


async def test_the_first_relevant_one_is_looked_at_though_others_stand_before_it(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices
) -> None:
    services.search.hits = [
        hit(IMAGE_ID, relevance=0.03),
        hit(OTHER_ID, relevance=0.02, matched=["what"]),  # of many words on a page
        hit(THIRD_ID, relevance=0.01, matched=["blue"], words_fit=True),
    ]
    client = await open_gateway(**asks)
    body = (await client.post("/answer", json={"question": "What is on the blue one?"})).json()
    assert body["used"] == [THIRD_ID]


async def test_the_cut_can_be_asked_for_and_set(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices
) -> None:
    services.search.hits = [hit(IMAGE_ID, relevance=0.3)]
    strict = await open_gateway(**asks, answer_min_relevance=0.5)
    assert not (await strict.post("/answer", json={"question": "?"})).json()["found"]
    asked = {"question": "?", "min_relevance": 0.25}
    assert (await strict.post("/answer", json=asked)).json()["found"]
    assert services.search.last().min_relevance == 0.25


async def test_a_follow_up_is_about_the_same_pictures_and_remembers(
    open_gateway: OpenGateway, asks: VisionSettings, services: FakeServices, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    messages = [
        {"role": "user", "content": "Which colour?"},
        {"role": "assistant", "content": "Green [1]."},
    ]
    asked = {"question": "And which shapes?", "image_ids": [OTHER_ID], "messages": messages}
    body = (await client.post("/answer", json=asked)).json()
    assert body["used"] == [OTHER_ID]
    assert services.search.requests == []
    sent = ollama.chats[-1].body["messages"]
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "user"]
    assert sent[2]["content"] == "Green [1]."
    assert [one.colour for one in ollama.chats[-1].seen] == ["green"]
    again = {**asked, "search": True}
    assert (await client.post("/answer", json=again)).json()["used"] == [IMAGE_ID]


async def test_an_openai_compatible_server_answers_as_well(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    with openai_server() as server:
        server.api_key = "secret"
        client = await open_gateway(
            llm_enabled=True,
            llm_model=MODEL,
            llm_base_url=f"{server.url}/v1",
            openai_api_key="secret",
        )
        body = (await client.post("/answer", json={"question": "?", "top_k": 2})).json()
        assert [one.colour for one in server.chats[-1].seen] == ["red", "green"]
    assert body["used"] == [IMAGE_ID, OTHER_ID]
    assert body["answer"].index("red") < body["answer"].index("green")


async def test_threads_do_not_pile_up(
    open_gateway: OpenGateway, asks: VisionSettings, ollama: ModelServer
) -> None:
    client = await open_gateway(**asks)
    await client.post("/answer", json={"question": "?"})
    before = threading.active_count()
    for _ in range(5):
        await client.post("/answer", json={"question": "?"})
    assert threading.active_count() <= before + 8
