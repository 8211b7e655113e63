"""Searches by a picture: what reaches the index, and what is no picture to search by."""

from __future__ import annotations

import asyncio
import base64

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import struct
from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import FORM, field, file, form
from tests.gateway.waiting import until
from tests.hostile_files import encoded
from viewfinder.errors import EncoderMismatch
from viewfinder.v1 import common_pb2, search_pb2


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
