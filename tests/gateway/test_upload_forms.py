"""The form of an upload: its pieces, names and types, and what is none."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import CHUNK_BYTES, FORM, field, file, form, in_pieces, send
from tests.gateway.waiting import until


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3_000_000])
@pytest.mark.parametrize("pieces", [(65_536,), (4097, 1, 65_536, 13), (4_000_000,)])
async def test_files_arrive_to_the_byte_in_chunks_of_bounded_size(
    client: httpx.AsyncClient, services: FakeServices, size: int, pieces: tuple[int, ...]
) -> None:
    content = random.Random(size).randbytes(size)
    body = form(file(content), file(b"another"))
    await client.post("/images", content=in_pieces(body, pieces), headers=FORM)
    received, other = services.upload.files
    assert received.is_whole
    assert received.content == content
    assert max(map(len, received.chunks), default=0) <= CHUNK_BYTES
    assert all(len(chunk) == CHUNK_BYTES for chunk in received.chunks[:-1])
    assert other.content == b"another"


async def test_a_form_may_come_byte_by_byte(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    content = b"\r\n--a-boundar\r\n--a-boundary-not\r\n\r\n--\r"
    body = form(field("tags", "\u732b"), file(content, "\u732b.jpg"))
    answer = await client.post("/images", content=in_pieces(body, (1,)), headers=FORM)
    assert answer.status_code == 202
    received = services.upload.files[0]
    assert received.content == content
    assert received.header.file_name == "\u732b.jpg"
    assert list(received.header.tags) == ["\u732b"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("\U0001f600 \u202egpj.exe", "\U0001f600 \u202egpj.exe"),
        (b"caf\xe9.jpg", "caf\ufffd.jpg"),
        ("a;b=c, d.jpg", "a;b=c, d.jpg"),
        ("", ""),
    ],
)
async def test_a_file_name_travels_as_it_is(
    client: httpx.AsyncClient, services: FakeServices, sent: str | bytes, name: str
) -> None:
    await send(client, file(b"x", sent))
    assert services.upload.files[0].header.file_name == name


async def test_an_extended_file_name_does_not_hide_the_plain_one(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    part = file(b"x", "plain").replace(b'"plain"', b"\"plain\"; filename*=UTF-8''other.jpg")
    await send(client, part)
    assert services.upload.files[0].header.file_name == "plain"


async def test_the_name_of_a_file_field_does_not_matter(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await send(client, file(b"x", name="file"), file(b"y", name="files[]"))
    assert [one.content for one in services.upload.files] == [b"x", b"y"]


async def test_a_form_without_files_is_refused(client: httpx.AsyncClient) -> None:
    answer = await send(client, field("tags", "a"))
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == "files"


async def test_a_form_with_endless_fields_is_refused(client: httpx.AsyncClient) -> None:
    answer = await send(client, *[field("tags", "")] * 4097)
    assert answer.status_code == 422


async def test_a_form_that_ends_early_is_a_422_and_its_last_file_is_given_up(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    body = form(file(b"whole"), file(bytes(2 * CHUNK_BYTES)))[:-1000]

    async def until_taken() -> AsyncIterator[bytes]:
        yield body[:-1000]
        await until(lambda: len(services.upload.files) == 2)
        yield body[-1000:]

    answer = await client.post("/images", content=until_taken(), headers=FORM)
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == "body"
    whole, broken = services.upload.files
    await broken.is_over.wait()
    assert whole.is_whole
    assert not broken.is_whole


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--a-boundary\r\nX: y\r\n\r\nvalue\r\n--a-boundary--\r\n",
        b"--a-boundary\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--a-boundary--\r\n",
        b"--a-boundary\r\n\xff\xff: \0\r\n\r\n",
        b"--a-boundary\r\nContent-Disposition: " + b"x" * 100_000,
        b"--other\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--other--\r\n",
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_form_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/images", content=body, headers=FORM)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "",
        "multipart/form-data",
        'multipart/form-data; boundary="',
        f"multipart/form-data; boundary={'x' * 5000}",
        "multipart/mixed; boundary=a-boundary",
        "application/x-www-form-urlencoded",
        "; ; =",
    ],
)
async def test_another_content_type_is_refused(
    client: httpx.AsyncClient, content_type: str
) -> None:
    answer = await client.post(
        "/images", content=form(file(b"x")), headers={"Content-Type": content_type}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_content_type_may_be_written_in_any_case(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "Multipart/Form-Data; Boundary=a-boundary"}
    answer = await client.post("/images", content=form(file(b"x")), headers=headers)
    assert answer.status_code == 202
