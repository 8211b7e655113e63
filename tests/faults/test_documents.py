"""A stack takes documents in, and parts of it are killed meanwhile."""

from __future__ import annotations

import io
import time

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import (
    RECOVERY_S,
    kill,
    noise_pictures,
    wait_until_indexed,
    wait_until_ready,
)
from viewfinder.api_models import ImageRecord
from viewfinder.client import FileToUpload
from viewfinder.errors import ImageNotFound, PageOfDocument, PasswordRequired
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and kills some
    pytest.mark.timeout(300),
]


def pdf(pages: int, password: str = "") -> FileToUpload:
    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(420, 595),
        encrypt=StandardEncryption(password) if password else None,
    )
    for number in range(1, pages + 1):
        canvas.drawString(40, 500, f"Invoice number{number} of the quarter")
        canvas.showPage()
    canvas.save()
    return FileToUpload(buffer.getvalue(), file_name="report.pdf")


def taken(stack: Stack, pages: int, password: str = "") -> tuple[ImageRecord, str]:
    """A document that is indexed, and its job."""
    accepted = stack.client.upload_one(pdf(pages, password), tags=["2024"], password=password)
    assert accepted.images[0].pages == pages
    wait_until_indexed(stack, accepted.job_id, pages)
    return stack.client.image(accepted.images[0].id), accepted.job_id


def vectors(stack: Stack) -> int:
    return stack.client.stats().collection.vectors_count


def test_a_document_comes_is_found_read_shown_and_goes(own_stack: Stack) -> None:
    client = own_stack.client
    document, _ = taken(own_stack, 5)
    assert (document.kind, document.state, document.pages_done) == ("document", "indexed", 5)
    pages = list(client.pages(document.id))
    assert [page.page for page in pages] == [1, 2, 3, 4, 5]
    assert client.images().total == 1

    found = client.search("number4", mode="hybrid").results[0]
    assert found.id == pages[3].id
    assert "Invoice number4" in client.text(found.id).text
    assert client.image(found.id).text_source == "pdf"

    assert client.content(document.id).data.startswith(b"%PDF")
    assert client.content(document.id, width=320).media_type == "image/webp"
    assert client.content(found.id).media_type == "image/webp"

    shown = own_stack.viewfinder("text", document.id)
    assert "--- page 5 of 5 ---" in shown.stdout
    assert "document" in own_stack.viewfinder("list").stdout
    assert "documents: 1 of 5 pages" in own_stack.viewfinder("status").stdout

    with pytest.raises(PageOfDocument, match=document.id):
        client.delete(found.id)
    client.delete(document.id)
    with pytest.raises(ImageNotFound):
        client.image(found.id)
    deadline = time.monotonic() + RECOVERY_S
    assert own_stack.data_dir is not None
    while list(own_stack.data_dir.rglob("*.pdf")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(own_stack.data_dir.rglob("*.pdf")) == []
    assert vectors(own_stack) == 0


def test_an_encrypted_document_is_indexed_with_its_password(own_stack: Stack) -> None:
    document, _ = taken(own_stack, 2, password="open sesame")
    page = next(own_stack.client.pages(document.id))
    assert "Invoice number1" in own_stack.client.text(page.id).text
    assert own_stack.client.content(page.id, width=64).media_type == "image/webp"
    with pytest.raises(PasswordRequired):
        own_stack.client.upload_one(pdf(2, "another"))


def test_a_worker_killed_among_pages_loses_none(own_stack: Stack) -> None:
    job_id = new_id()
    accepted = own_stack.client.upload([pdf(150), *noise_pictures(10)], job_id=job_id)
    while own_stack.client.job(job_id).indexed == 0:
        time.sleep(0.02)
    kill(own_stack, "-m worker")
    assert own_stack.client.job(job_id).indexed < 160, "killed too late to prove anything"
    wait_until_indexed(own_stack, job_id, 160)
    assert own_stack.client.image(accepted.images[0].id).state == "indexed"
    assert vectors(own_stack) == 160


def test_upload_service_killed_while_documents_come_has_all_or_nothing_of_each(
    own_stack: Stack,
) -> None:
    job_id = new_id()
    own_stack.client.upload_one(pdf(40), job_id=job_id)
    kill(own_stack, "-m upload_service")
    wait_until_ready(own_stack)
    second = own_stack.client.upload_one(pdf(60), job_id=job_id)
    wait_until_indexed(own_stack, job_id, 100)
    assert len(list(own_stack.client.pages(second.images[0].id))) == 60
    assert vectors(own_stack) == 100
