"""Documents through a whole running Viewfinder: sent, found by what stands on them, shown, gone."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

import httpx
import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from bench.scanning import as_photo, as_scanned_pdf
from tests.end_to_end.conftest import Stack
from tests.hostile_pdfs import HostilePdf, hostile_pdfs
from viewfinder.api_models import MAX_PASSWORD_CHARS, ImageRecord, SearchHit
from viewfinder.client import FileToUpload
from viewfinder.errors import (
    ImageNotFound,
    InvalidRequest,
    PasswordRequired,
    WrongPassword,
    error_class,
)

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services once, and reads scanned pages
    pytest.mark.timeout(300),
]

T = TypeVar("T")

SLOWEST_S = 120
THINGS = ("telescope mounts", "rose bushes", "anchor chains")


@pytest.fixture
def word() -> str:
    """Stands on the pages of this test only."""
    letters = np.random.default_rng(uuid.uuid4().int).choice(list("BDFGKLMNPRSTVZ"), 7)
    return "".join(letters[:4]) + "A" + "".join(letters[4:]) + "OX"


def pdf(word: str, things: tuple[str, ...] = THINGS, password: str = "") -> bytes:
    """A page for each of the things."""
    buffer = io.BytesIO()
    lock = StandardEncryption(password) if password else None
    canvas = Canvas(buffer, pagesize=(420, 300), encrypt=lock)
    for thing in things:
        canvas.setFont("Helvetica", 20)
        canvas.drawString(40, 220, f"Invoice of {word}")
        canvas.drawString(40, 150, thing.capitalize())
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def eventually(ask: Callable[[], T | None]) -> T:
    """What `ask` gives once it gives something."""
    deadline = time.monotonic() + SLOWEST_S
    while (found := ask()) is None:
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)
    return found


def added(stack: Stack, content: bytes, name: str, password: str = "") -> ImageRecord:
    """A document or picture of which everything is searchable."""
    file = FileToUpload(content, file_name=name)
    accepted = stack.client.upload_one(file, password=password)
    *_, job = stack.client.watch_job(accepted.job_id)
    assert (job.failed, job.stored) == (0, 0), job.failures
    return stack.client.image(accepted.images[0].id)


def when_read(stack: Stack, image_id: str) -> ImageRecord:
    def ask() -> ImageRecord | None:
        record = stack.client.image(image_id)
        return record if record.text_source else None

    return eventually(ask)


def first(stack: Stack, query: str, mode: str = "hybrid") -> SearchHit:
    return stack.client.search(query, mode=mode, top_k=3).results[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text layer", "scan"])
def test_a_page_is_found_by_what_stands_on_it(stack: Stack, word: str, kind: str) -> None:
    content = pdf(word)
    if kind == "scan":
        content = as_scanned_pdf(content, np.random.default_rng(1))
    document = added(stack, content, "scan0001.pdf")
    assert (document.kind, document.pages, document.state) == ("document", 3, "indexed")
    pages = list(stack.client.pages(document.id))
    for page in pages:
        assert when_read(stack, page.id).text_source == ("ocr" if kind == "scan" else "pdf")
    for number, thing in enumerate(THINGS, 1):
        hit = first(stack, f"{word} invoice about {thing}")
        assert (hit.metadata.page, hit.metadata.pages) == (number, 3)
        assert (hit.id, hit.metadata.document) == (pages[number - 1].id, document.id)
        assert word.lower() in stack.client.text(hit.id).text.lower()


def test_a_document_is_one_hit_with_its_other_pages(stack: Stack, word: str) -> None:
    document = added(stack, pdf(word), "report.pdf")
    answer = stack.client.search(f"{word} rose bushes", mode="document", top_k=5)
    hit, *others = answer.results
    assert (hit.metadata.document, hit.metadata.page) == (document.id, 2)
    assert {page.page for page in hit.pages} == {1, 3}
    assert document.id not in {other.metadata.document for other in others}
    assert all(one.metadata.page for one in answer.results), "a picture among documents"


def test_a_picture_is_found_by_what_stands_in_it(stack: Stack, word: str) -> None:
    content = as_photo(pdf(word, ("Porcelain vases",)), np.random.default_rng(2))
    picture = added(stack, content, "IMG_0001.jpg")
    assert when_read(stack, picture.id).text_source == "ocr"
    hit = first(stack, f"{word} porcelain vases")
    assert (hit.id, hit.metadata.page) == (picture.id, None)
    read = stack.client.text(picture.id)
    box = next(one for one in read.words if word.lower() in one.text.lower())
    assert 0 < box.left < box.right < 1
    assert 0 < box.top < box.bottom < 0.7


def test_the_first_pages_are_found_before_the_last_are_ready(stack: Stack, word: str) -> None:
    content = pdf(word, tuple(f"Position {number}" for number in range(1, 301)))
    file = FileToUpload(content, file_name="long.pdf")
    accepted = stack.client.upload_one(file)
    assert accepted.images[0].pages == 300
    filters = {"document": accepted.images[0].id}

    def found() -> int | None:
        hits = stack.client.search(word, mode="hybrid", filters=filters).results
        return min((hit.metadata.page or 0 for hit in hits), default=None)

    assert eventually(found) <= 64
    job = stack.client.job(accepted.job_id)
    assert job.indexed < job.total == 300, "all were ready already: too few pages to prove it"
    *_, job = stack.client.watch_job(accepted.job_id)
    assert (job.indexed, job.failed) == (300, 0)


def test_why_a_page_was_found_is_shown_on_it(stack: Stack, word: str) -> None:
    document = added(stack, pdf(word), "why.pdf")
    page = next(stack.client.pages(document.id))
    words = stack.client.heatmap(page.id, word, width=320, format="jpeg", show="words")
    pixels = np.asarray(Image.open(io.BytesIO(words.data)).convert("RGB"), np.int16)
    coloured = np.argwhere(np.ptp(pixels, axis=2) > 60)  # the page itself is black on white
    height, width = pixels.shape[:2]
    box = next(one for one in stack.client.text(page.id).words if one.text == word)
    top, left = coloured.min(axis=0)
    bottom, right = coloured.max(axis=0)
    assert abs(top / height - box.top) < 0.06
    assert abs(bottom / height - box.bottom) < 0.06
    assert abs(left / width - box.left) < 0.06
    assert abs(right / width - box.right) < 0.06
    both = stack.client.heatmap(page.id, word, width=320)
    assert both.media_type == "image/webp"
    assert both.data != words.data


def test_the_document_itself_can_be_had_again_and_does_nothing_in_a_browser(
    stack: Stack, word: str
) -> None:
    content = pdf(word)
    document = added(stack, content, "Jahresbericht äöü.pdf")
    page = next(stack.client.pages(document.id))
    assert page.document_url == document.url
    answer = httpx.get(f"{stack.api_url}{page.document_url}")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline")
    part = httpx.get(f"{stack.api_url}{document.url}", headers={"Range": "bytes=0-4"})
    assert (part.status_code, part.content) == (206, b"%PDF-")
    for image_id in (document.id, page.id):
        small = stack.client.content(image_id, width=320, format="webp")
        assert Image.open(io.BytesIO(small.data)).width == 320


def test_a_deleted_document_takes_its_pages_with_it(stack: Stack, word: str) -> None:
    document = added(stack, pdf(word), "gone.pdf")
    pages = list(stack.client.pages(document.id))
    assert first(stack, word).metadata.document == document.id
    stack.client.delete(document.id)
    for one in (document, *pages):
        with pytest.raises(ImageNotFound):
            stack.client.image(one.id)
    found = stack.client.search(word, mode="hybrid", top_k=100, group_by="none").results
    assert not {hit.id for hit in found} & {page.id for page in pages}


def test_a_locked_document_opens_with_its_password_only(stack: Stack, word: str) -> None:
    content = pdf(word, password="open sesame")
    file = FileToUpload(content, file_name="locked.pdf")
    with pytest.raises(PasswordRequired):
        stack.client.upload_one(file)
    with pytest.raises(WrongPassword):
        stack.client.upload_one(file, password="sesame")
    document = added(stack, content, "locked.pdf", "open sesame")
    hit = first(stack, f"{word} anchor chains")
    assert (hit.metadata.document, hit.metadata.page) == (document.id, 3)
    shown = httpx.get(f"{stack.api_url}/images/{document.id}").text
    assert "sesame" not in shown
    assert stack.client.content(hit.id, width=320).media_type == "image/webp"


@pytest.mark.parametrize("file", hostile_pdfs(), ids=lambda file: file.name)
def test_a_hostile_pdf_is_refused_or_fails_alone(stack: Stack, file: HostilePdf) -> None:
    sent = httpx.post(
        f"{stack.api_url}/images",
        files={"files": (f"{file.name}.pdf", file.content)},
        data={"password": file.password} if file.password else {},
        timeout=60,
    )
    if file.expected_code and file.found_by == "inspect":
        expected = error_class(file.expected_code)
        assert expected is not None
        too_long = len(file.password) > MAX_PASSWORD_CHARS
        code = InvalidRequest.code if too_long else file.expected_code
        assert (sent.json()["code"], sent.status_code) == (code, expected.http_status)
        assert 400 <= sent.status_code < 500
        return
    assert sent.status_code == 202, sent.text
    *_, job = stack.client.watch_job(sent.json()["job_id"])
    assert job.stored == 0
    if file.expected_code:
        assert job.failed
        assert all(failure.reason for failure in job.failures)
    else:
        assert (job.failed, job.indexed) == (0, job.total), job.failures


def test_after_all_hostile_pdfs_a_good_one_is_found(stack: Stack, word: str) -> None:
    for file in hostile_pdfs():
        httpx.post(
            f"{stack.api_url}/images", files={"files": (file.name, file.content)}, timeout=60
        )
    ready = stack.client.ready()
    assert ready.ready, ready
    document = added(stack, pdf(word), "good.pdf")
    assert first(stack, f"{word} rose bushes").metadata.document == document.id
