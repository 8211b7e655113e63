"""Why a picture was found: which marks are asked for, and of whom."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record
from tests.gateway.fake_services import ETAG, FakeServices
from viewfinder.errors import NotExplainable, ServiceUnavailable
from viewfinder.v1 import common_pb2, search_pb2

HEATMAP = f"/images/{IMAGE_ID}/heatmap"
WORDS = ("Invoice", "of", "Amounts")


def read_text(*words: str) -> common_pb2.ReadText:
    """Words below each other, the last one reaching beyond the edge."""
    boxes = [
        common_pb2.Word(text=word, left=0.25, top=i / 4, right=1.5, bottom=i / 4 + 0.125, line=i)
        for i, word in enumerate(words)
    ]
    return common_pb2.ReadText(source="pdf", words=boxes)


def box(line: int) -> common_pb2.Word:
    return common_pb2.Word(left=0.25, top=line / 4, right=1.0, bottom=line / 4 + 0.125)


@pytest.fixture
def page(services: FakeServices) -> FakeServices:
    """The picture is a page with words."""
    services.catalog.records[IMAGE_ID] = record(
        document_id=OTHER_ID, page=3, pages=9, text_source="pdf", password="open"
    )
    services.catalog.texts[IMAGE_ID] = read_text(*WORDS)
    return services


async def test_a_picture_gets_the_map_of_the_index_encoder(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(HEATMAP, params={"query": "a cat", "width": 320, "format": "jpeg"})
    assert answer.status_code == 200
    assert answer.content == services.image.rendition
    assert answer.headers["content-type"] == "image/jpeg"
    asked = services.image.last()
    assert (asked.image_id, asked.blob_key) == (IMAGE_ID, f"key-of-{IMAGE_ID}")
    assert asked.heatmap.query == "a cat"
    assert asked.heatmap.encoder == "mini"
    assert (asked.heatmap.width, asked.heatmap.format) == (320, "jpeg")
    assert not asked.heatmap.boxes


async def test_it_may_be_kept_for_a_while_only(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(HEATMAP, params={"query": "a cat"})
    assert answer.headers["etag"] == f'"{ETAG}"'
    assert "immutable" not in answer.headers["cache-control"]
    again = await client.get(
        HEATMAP, params={"query": "a cat"}, headers={"If-None-Match": f'"{ETAG}"'}
    )
    assert again.status_code == 304
    head = await client.head(HEATMAP, params={"query": "a cat"})
    assert head.headers["content-length"] == str(len(services.image.rendition))


async def test_on_a_page_the_words_of_the_query_are_marked(
    client: httpx.AsyncClient, page: FakeServices
) -> None:
    answer = await client.get(HEATMAP, params={"query": "the amount of an invoice"})
    assert answer.status_code == 200
    asked = page.image.last()
    assert list(asked.heatmap.boxes) == [box(0), box(2)]
    assert asked.heatmap.query == ""
    assert (asked.page, asked.password) == (3, "open")


async def test_a_page_without_such_words_gets_a_map(
    client: httpx.AsyncClient, page: FakeServices
) -> None:
    await client.get(HEATMAP, params={"query": "a diagram"})
    asked = page.image.last()
    assert (asked.heatmap.query, asked.heatmap.encoder) == ("a diagram", "mini")
    assert not asked.heatmap.boxes


async def test_a_page_is_explained_by_the_encoder_for_pages(
    client: httpx.AsyncClient, page: FakeServices
) -> None:
    page.embedding.document_encoder = "colqwen"
    await client.get(HEATMAP, params={"query": "invoice", "show": "map"})
    asked = page.image.last()
    assert asked.heatmap.encoder == "colqwen"
    assert not asked.heatmap.boxes


async def test_a_photo_with_such_words_gets_both(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(text_source="ocr")
    services.catalog.texts[IMAGE_ID] = read_text(*WORDS)
    await client.get(HEATMAP, params={"query": "invoice"})
    asked = services.image.last()
    assert list(asked.heatmap.boxes) == [box(0)]
    assert asked.heatmap.query == "invoice"


async def test_words_that_do_not_stand_there_cannot_be_shown(
    client: httpx.AsyncClient, page: FakeServices
) -> None:
    answer = await client.get(HEATMAP, params={"query": "a diagram", "show": "words"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "nothing_to_show"
    assert page.image.requests == []


async def test_a_document_is_explained_page_by_page(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(pages=9)
    answer = await client.get(HEATMAP, params={"query": "invoice"})
    assert answer.status_code == 422
    assert f"/images?document={IMAGE_ID}" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"query": ""},
        {"query": "x" * 513},
        {"query": "a cat", "width": 0},
        {"query": "a cat", "width": 5000},
        {"query": "a cat", "format": "png"},
        {"query": "a cat", "show": "everything"},
    ],
)
async def test_a_wrong_question_is_a_422(
    client: httpx.AsyncClient, services: FakeServices, wrong: dict[str, str | int]
) -> None:
    assert (await client.get(HEATMAP, params=wrong)).status_code == 422
    assert services.image.requests == []


async def test_an_unknown_picture_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{OTHER_ID}/heatmap", params={"query": "a cat"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (ServiceUnavailable("embedding_service"), 503, "service_unavailable"),
        (NotExplainable(encoder="old", reason="export it again"), 422, "not_explainable"),
    ],
)
async def test_what_image_service_cannot_do_is_told(
    client: httpx.AsyncClient, services: FakeServices, failure: Exception, status: int, code: str
) -> None:
    services.image.failure = failure
    answer = await client.get(HEATMAP, params={"query": "a cat"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_a_text_found_says_where_its_heat_map_is(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.hits = [search_pb2.Hit(id=IMAGE_ID, score=0.5)]
    by_text = await client.post("/search", json={"query": "caf\u00e9 & cat"})
    address = by_text.json()["results"][0]["heatmap_url"]
    assert address == f"{HEATMAP}?query=caf%C3%A9%20%26%20cat"
    assert (await client.get(address)).status_code == 200
    assert services.image.last().heatmap.query == "caf\u00e9 & cat"
    similar = await client.get(f"/images/{IMAGE_ID}/similar")
    assert similar.json()["results"][0]["heatmap_url"] is None
