"""/descriptions, `describe` at upload, and descriptions by hand."""

from __future__ import annotations

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID
from tests.gateway.fake_services import FakeServices
from viewfinder.v1 import catalog_pb2

ON = {"llm_enabled": True, "llm_model": "looker", "llm_price_per_image": 0.002}


@pytest.fixture
async def client(open_gateway: OpenGateway) -> httpx.AsyncClient:
    return await open_gateway(**ON)


async def test_a_request_tells_how_many_and_what_it_costs(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.post("/descriptions", json={"tag": ["holiday"], "limit": 10})
    assert answer.status_code == 202
    assert answer.json() == {
        "asked": 10,
        "waiting": 2,
        "described": 3,
        "failed": 4,
        "unknown": 1,
        "model": "looker",
        "dry_run": False,
        "estimate": {
            "input_tokens": 5000,
            "output_tokens": 2000,
            "cost": 0.02,
            "seconds": 20.0,  # two at a time
        },
    }
    asked = services.catalog.last()
    assert (list(asked.tags), asked.limit, asked.model, asked.max_side) == (
        ["holiday"],
        10,
        "looker",
        1024,
    )


async def test_a_dry_run_starts_nothing_and_says_so(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.post("/descriptions", json={"all": True, "dry_run": True})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert services.catalog.last().dry_run
    assert not services.catalog.last().failed


async def test_what_failed_can_be_tried_again(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.post("/descriptions", json={"all": True, "failed": True})
    assert services.catalog.last().failed


@pytest.mark.parametrize(
    "body", [{}, {"ids": [IMAGE_ID], "all": True}, {"state": ["failed"]}, {"all": True, "x": 1}]
)
async def test_a_request_says_one_thing(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await client.post("/descriptions", json=body)).status_code == 422


async def test_progress_tells_what_remains(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.described.held_up = "nothing answers there"
    services.catalog.described.failures.add(image_id=IMAGE_ID, file_name="a.jpg", reason="odd")
    shown = (await client.get("/descriptions")).json()
    assert shown == {
        "enabled": True,
        "model": "looker",
        "waiting": 10,
        "in_hand": 4,
        "described": 3,
        "edited": 1,
        "failed": 1,
        "mean_s": 4.0,
        "remaining_s": 20.0,
        "remaining_cost": 0.02,
        "held_up": "nothing answers there",
        "failures": [{"image_id": IMAGE_ID, "file_name": "a.jpg", "reason": "odd"}],
    }


async def test_what_waits_can_be_stopped(client: httpx.AsyncClient) -> None:
    assert (await client.delete("/descriptions")).json() == {"stopped": 7}


async def test_without_a_model_it_is_said_how_to_get_one(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway()
    upload = {"files": ("a.jpg", b"bytes")}
    for answer in (
        await client.post("/descriptions", json={"all": True}),
        await client.post("/images", data={"describe": "true"}, files=upload),
        await client.post(
            "/images", json={"filename": "a", "image_base64": "aaaa", "describe": True}
        ),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "llm_disabled"
        assert "LLM_ENABLED=true and LLM_MODEL" in answer.json()["detail"]
    assert services.upload.files == []
    shown = (await client.get("/descriptions")).json()
    assert (shown["enabled"], shown["model"]) == (False, None)
    assert "LLM_ENABLED" in shown["held_up"]


async def test_an_upload_can_ask_for_it(client: httpx.AsyncClient, services: FakeServices) -> None:
    for value, wanted in (("true", True), ("no", False)):
        answer = await client.post(
            "/images", data={"describe": value}, files={"files": ("a.jpg", b"bytes")}
        )
        assert answer.status_code == 202, answer.text
        assert services.upload.files[-1].header.describe is wanted


async def test_it_is_asked_for_before_the_files(client: httpx.AsyncClient) -> None:
    late = [("files", ("a.jpg", b"bytes")), ("describe", (None, "true"))]
    assert (await client.post("/images", files=late)).status_code == 422
    odd = [("describe", (None, "perhaps")), ("files", ("a.jpg", b"bytes"))]
    assert (await client.post("/images", files=odd)).status_code == 422


async def test_a_record_tells_what_it_shows(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID].description.CopyFrom(
        catalog_pb2.Description(
            caption="A cat",
            objects=["cat"],
            colours=["black"],
            model="looker",
            described_at=Timestamp(seconds=1_700_000_000),
        )
    )
    shown = (await client.get(f"/images/{IMAGE_ID}")).json()["description"]
    assert shown == {
        "caption": "A cat",
        "objects": ["cat"],
        "text": "",
        "colours": ["black"],
        "setting": "",
        "model": "looker",
        "edited": False,
        "described_at": "2023-11-14T22:13:20Z",
    }


async def test_a_description_can_be_written_and_taken_away(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    path = f"/images/{IMAGE_ID}"
    body = {"description": {"caption": "Our \u202ecat\n asleep", "objects": ["cat"]}}
    assert (await client.patch(path, json=body)).status_code == 200
    sent = services.catalog.last()
    assert sent.description.caption == "Our cat asleep"
    assert not sent.HasField("tags")
    assert (await client.patch(path, json={"description": None})).status_code == 200
    assert services.catalog.last().HasField("description")
    assert services.catalog.last().description.caption == ""
    assert (await client.patch(path, json={"tags": []})).status_code == 200
    assert not services.catalog.last().HasField("description")
    assert (await client.patch(path, json={"description": {"caption": ""}})).status_code == 422


async def test_searches_can_be_by_description(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.post("/search", json={"query": "a cat", "mode": "description"})
    assert answer.status_code == 200
    assert services.search.last().mode == "description"
