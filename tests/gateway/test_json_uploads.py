"""POST /images with one picture inside JSON."""

from __future__ import annotations

import base64
import random
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import JOB_ID, struct
from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import CHUNK_BYTES
from viewfinder.errors import BrokenImage


async def test_a_picture_may_come_as_json(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    content = random.Random(1).randbytes(CHUNK_BYTES + 7)
    body = {
        "filename": "cat.jpg",
        "image_base64": base64.encodebytes(content).decode(),  # with line breaks
        "tags": ["a"],
        "metadata": {"b": 1},
        "job_id": JOB_ID,
        "file_path": "/home/cat.jpg",
    }
    answer = await client.post("/images", json=body)
    assert answer.status_code == 202
    assert answer.json()["job_id"] == JOB_ID
    (received,) = services.upload.files
    assert (received.content, received.is_whole) == (content, True)
    assert received.header.file_name == "cat.jpg"
    assert list(received.header.tags) == ["a"]
    assert received.header.metadata == struct(b=1)
    assert received.header.file_path == "/home/cat.jpg"


@pytest.mark.parametrize(
    ("change", "field_name"),
    [
        ({"image_base64": "###"}, "image_base64"),
        ({"image_base64": "YQ"}, "image_base64"),
        ({"image_base64": "data:image/png;base64,YQ=="}, "image_base64"),
        ({"image_base64": "\u00e9\u00e9\u00e9\u00e9"}, "image_base64"),
        ({"image_base64": ""}, "image_base64"),
        ({"filename": ""}, "filename"),
        ({"filename": "x" * 256}, "filename"),
        ({"tags": ["x" * 101]}, "tags.0"),
        ({"metadata": {"a": {"b": [2**60]}}}, "metadata.a.b[0]"),
        ({"job_id": "7"}, "job_id"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_value_in_json_is_a_422_naming_it(
    client: httpx.AsyncClient, services: FakeServices, change: dict[str, Any], field_name: str
) -> None:
    body = {"filename": "cat.jpg", "image_base64": "YQ==", **change}
    answer = await client.post("/images", json=body)
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == field_name
    assert services.upload.files == []


async def test_a_picture_in_json_may_not_be_larger_than_the_limit(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway(max_inline_image_bytes=2000)
    body = {"filename": "a", "image_base64": base64.b64encode(bytes(2001)).decode()}
    answer = await client.post("/images", json=body)
    assert answer.status_code == 413
    assert answer.json()["code"] == "file_too_large"
    assert services.upload.files == []


async def test_a_refused_picture_in_json_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    error = BrokenImage(file_name="bad.jpg", reason="no pixels")
    services.upload.refusal = lambda _: error
    answer = await client.post("/images", json={"filename": "bad.jpg", "image_base64": "YQ=="})
    assert answer.status_code == 422
    assert answer.json()["code"] == "broken_image"
    assert answer.json()["rejected"][0]["file_name"] == "bad.jpg"
