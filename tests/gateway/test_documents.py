"""PDFs and their pages: uploads with a password, records, texts, content."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import DOCUMENT_ID, PAGE_ID, document, page
from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import FORM, field, file, form
from viewfinder.errors import PasswordRequired, WrongPassword
from viewfinder.v1 import catalog_pb2, common_pb2, image_pb2


@pytest.fixture(autouse=True)
def _documents(services: FakeServices) -> None:
    services.catalog.records |= {DOCUMENT_ID: document(), PAGE_ID: page()}


async def send(client: httpx.AsyncClient, *parts: bytes) -> httpx.Response:
    return await client.post("/images", content=form(*parts), headers=FORM)


# --- uploads ---


async def test_the_password_reaches_each_file_and_the_answer_says_how_many_pages(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await send(
        client, field("password", "open sesame"), file(b"1", "a.pdf"), file(b"2", "b.jpg")
    )
    assert [one.header.password for one in services.upload.files] == ["open sesame"] * 2
    assert [image["pages"] for image in answer.json()["images"]] == [7, None]


async def test_a_password_after_a_file_is_refused(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await send(client, file(b"1", "a.pdf"), field("password", "open sesame"))
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == "password"
    assert "sesame" not in answer.text


async def test_a_password_that_is_too_long_is_not_shown(client: httpx.AsyncClient) -> None:
    answer = await send(client, field("password", "sesame" * 100), file(b"1", "a.pdf"))
    assert answer.status_code == 422
    assert "sesame" not in answer.text


@pytest.mark.parametrize("error", [PasswordRequired("a.pdf"), WrongPassword("a.pdf")])
async def test_a_pdf_that_does_not_open_is_a_422(
    client: httpx.AsyncClient,
    services: FakeServices,
    error: PasswordRequired | WrongPassword,
) -> None:
    services.upload.refusal = lambda _: error
    answer = await send(client, file(b"1", "a.pdf"))
    assert answer.status_code == 422
    assert answer.json()["code"] == error.code


async def test_as_json_a_password_is_sent_on(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = {"filename": "a.pdf", "image_base64": base64.b64encode(b"%PDF").decode()}
    answer = await client.post("/images", json={**body, "password": "open sesame"})
    assert answer.status_code == 202
    assert services.upload.files[0].header.password == "open sesame"


@pytest.mark.parametrize("password", ["sesame" * 100, ["sesame"]])
async def test_as_json_a_wrong_kind_of_password_is_not_shown(
    client: httpx.AsyncClient, password: object
) -> None:
    body = {"filename": "a.pdf", "image_base64": "JVBERg==", "password": password}
    answer = await client.post("/images", json=body)
    assert answer.status_code == 422
    assert "sesame" not in answer.text


# --- records ---


async def test_a_document_says_how_far_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{DOCUMENT_ID}")
    shown = answer.json()
    assert (shown["kind"], shown["pages"], shown["pages_done"]) == ("document", 3, 2)
    assert (shown["page"], shown["document_id"]) == (None, None)
    assert "sesame" not in answer.text


async def test_a_page_names_its_document(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{PAGE_ID}")
    shown = answer.json()
    assert (shown["kind"], shown["page"], shown["pages"]) == ("page", 2, 3)
    assert shown["document_id"] == DOCUMENT_ID
    assert shown["document_url"] == f"/images/{DOCUMENT_ID}/content"
    assert shown["text_source"] == "ocr"
    assert shown["pages_done"] is None
    assert "sesame" not in answer.text


async def test_with_a_key_the_address_of_the_document_is_signed_too(
    open_gateway: OpenGateway,
) -> None:
    client = await open_gateway(api_key="secret-key")
    shown = (await client.get(f"/images/{PAGE_ID}", headers={"X-API-Key": "secret-key"})).json()
    assert (await client.get(shown["document_url"])).status_code == 200


async def test_the_pages_of_a_document_are_asked_for_by_its_id(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.page = catalog_pb2.ListImagesResponse(images=[page()], total=3)
    answer = await client.get("/images", params={"document": DOCUMENT_ID})
    assert services.catalog.last().document_id == DOCUMENT_ID
    assert answer.json()["images"][0]["page"] == 2
    assert (await client.get("/images", params={"document": "x"})).status_code == 422


async def test_a_text_comes_line_by_line_and_word_by_word(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    words = [
        common_pb2.Word(text=text, left=0.125, top=0.25, right=0.5, bottom=0.375, line=line)
        for text, line in (("Invoice", 0), ("4711", 0), ("Total", 1))
    ]
    services.catalog.texts[PAGE_ID] = common_pb2.ReadText(source="ocr", words=words)
    shown = (await client.get(f"/images/{PAGE_ID}/text")).json()
    assert (shown["source"], shown["text"]) == ("ocr", "Invoice 4711\nTotal")
    assert shown["words"][1] == {
        "text": "4711",
        "left": 0.125,
        "top": 0.25,
        "right": 0.5,
        "bottom": 0.375,
        "line": 0,
        "confidence": 0.0,
    }


async def test_what_was_not_read_yet_has_no_source(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{PAGE_ID}/text")
    assert answer.json() == {"source": None, "text": "", "words": []}


async def test_a_document_has_no_text_of_its_own(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{DOCUMENT_ID}/text")
    assert answer.status_code == 422
    assert f"document={DOCUMENT_ID}" in answer.json()["detail"]


# --- removing ---


async def test_a_page_alone_is_not_removed(client: httpx.AsyncClient) -> None:
    answer = await client.delete(f"/images/{PAGE_ID}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "page_of_document"
    assert DOCUMENT_ID in answer.json()["detail"]


async def test_the_pages_of_a_removed_document_leave_the_index_at_once(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    assert (await client.delete(f"/images/{DOCUMENT_ID}")).status_code == 204
    removed = list(services.search.last().ids)
    assert (removed[0], len(removed)) == (DOCUMENT_ID, 4)
    assert PAGE_ID in removed


# --- content ---


async def test_a_document_is_the_pdf_and_nothing_in_it_runs(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(f"/images/{DOCUMENT_ID}/content")
    assert answer.content == services.image.content
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''report.pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_part_of_a_pdf_can_be_fetched(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(f"/images/{DOCUMENT_ID}/content", headers={"Range": "bytes=100-199"})
    assert answer.status_code == 206
    assert answer.content == services.image.content[100:200]
    assert answer.headers["content-range"] == "bytes 100-199/5000"


async def test_a_page_is_a_picture_of_its_full_size(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(f"/images/{PAGE_ID}/content")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''report-page-2.webp"
    assert services.image.last() == image_pb2.GetContentRequest(
        image_id=PAGE_ID,
        blob_key=f"key-of-{DOCUMENT_ID}",
        media_type="application/pdf",
        rendition=image_pb2.Rendition(width=4096, format="webp"),
        page=2,
        password="open sesame",
    )


async def test_a_page_has_no_ranges(client: httpx.AsyncClient, services: FakeServices) -> None:
    answer = await client.get(f"/images/{PAGE_ID}/content", headers={"Range": "bytes=1-2"})
    assert answer.status_code == 200
    assert answer.content == services.image.rendition


async def test_the_thumbnail_of_a_document_is_its_first_page(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.get(f"/images/{DOCUMENT_ID}/content?width=320")
    asked = services.image.last()
    assert (asked.page, asked.rendition.width, asked.image_id) == (1, 320, DOCUMENT_ID)
