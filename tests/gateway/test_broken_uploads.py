"""Clients that break off, stop or flood, over real connections: nothing half may look whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.conftest import LiveGateway, OpenLive
from tests.gateway.fake_services import FakeServices
from tests.gateway.forms import BOUNDARY, FORM, file, form, request_head
from tests.gateway.waiting import until
from viewfinder.errors import FileTooLarge

MEGABYTE = 1 << 20


async def begin(live: LiveGateway, services: FakeServices, body: bytes) -> asyncio.StreamWriter:
    """Send most of a request, and wait until the file is on its way."""
    _, writer = await live.connect()
    writer.write(request_head(live.port, len(body)) + body[: len(body) * 2 // 3])
    await writer.drain()
    await services.upload.begun.wait()
    return writer


async def test_a_client_that_closes_in_the_middle_of_a_file_leaves_nothing(
    live: LiveGateway, services: FakeServices
) -> None:
    writer = await begin(live, services, form(file(bytes(3 * MEGABYTE))))
    writer.close()
    (received,) = services.upload.files
    await received.is_over.wait()
    assert not received.is_whole


async def test_a_client_that_resets_in_the_middle_of_a_file_leaves_nothing(
    live: LiveGateway, services: FakeServices
) -> None:
    writer = await begin(live, services, form(file(bytes(3 * MEGABYTE))))
    writer.transport.abort()
    (received,) = services.upload.files
    await received.is_over.wait()
    assert not received.is_whole


async def test_a_client_that_closes_right_after_the_last_byte_of_a_file_leaves_nothing_half(
    live: LiveGateway, services: FakeServices
) -> None:
    """Without the boundary behind it, nobody knows that the file is complete."""
    body = form(file(bytes(3 * MEGABYTE)))
    _, writer = await live.connect()
    writer.write(request_head(live.port, len(body)) + body[: -len(f"\r\n--{BOUNDARY}--\r\n")])
    await writer.drain()
    await services.upload.begun.wait()
    writer.close()
    await services.upload.files[0].is_over.wait()
    assert not services.upload.files[0].is_whole


async def test_a_client_that_leaves_while_upload_service_is_behind_leaves_nothing(
    live: LiveGateway, services: FakeServices
) -> None:
    services.upload.may_read.clear()
    writer = await begin(live, services, form(file(bytes(9 * MEGABYTE)))[: 9 * MEGABYTE // 3])
    writer.transport.abort()
    services.upload.may_read.set()
    await services.upload.files[0].is_over.wait()
    assert not services.upload.files[0].is_whole


async def test_files_before_the_one_broken_off_are_kept(
    live: LiveGateway, services: FakeServices
) -> None:
    body = form(file(b"whole"), file(bytes(3 * MEGABYTE)))
    writer = await begin(live, services, body)
    await until(lambda: len(services.upload.files) == 2)
    writer.close()
    await services.upload.files[1].is_over.wait()
    assert [one.is_whole for one in services.upload.files] == [True, False]


async def test_a_silent_client_gets_a_408_and_its_file_is_given_up(
    open_live: OpenLive, services: FakeServices
) -> None:
    live = await open_live(body_idle_s=0.3)
    body = form(file(bytes(MEGABYTE)))
    reader, writer = await live.connect()
    writer.write(request_head(live.port, len(body)) + body[: 2 * MEGABYTE // 3])
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    await services.upload.files[0].is_over.wait()
    assert not services.upload.files[0].is_whole
    writer.close()


async def test_a_silent_client_of_the_json_interface_gets_a_408(open_live: OpenLive) -> None:
    live = await open_live(body_idle_s=0.1)
    reader, writer = await live.connect()
    head = f"POST /search HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nContent-Length: 30\r\n"
    writer.write(f'{head}Content-Type: application/json\r\n\r\n{{"query": '.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(
    live: LiveGateway, services: FakeServices
) -> None:
    body = form(file(b"x"))
    reader, writer = await live.connect()
    head = request_head(live.port, len(body)).replace(
        b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"
    )
    writer.write(head)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
    writer.close()


async def test_the_gateway_holds_little_of_a_large_file_while_upload_service_is_behind(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.upload.may_read.clear()
    size, taken = 200 * MEGABYTE, 0
    opening = file(b"")[: -len(b"\r\n")]

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        yield opening
        piece = bytes(65_536)
        while taken < size:
            taken += len(piece)
            yield piece
        yield b"\r\n" + form()

    sending = asyncio.create_task(client.post("/images", content=body(), headers=FORM))
    await services.upload.begun.wait()
    reached = -1
    while reached != taken:  # until it stands still
        reached = taken
        await asyncio.sleep(0.1)
    assert reached < 32 * MEGABYTE  # gRPC's window follows the speed of the line, to some 10 MB
    services.upload.refusal = lambda _: FileTooLarge(size_bytes=reached, limit_bytes=1)
    services.upload.may_read.set()
    answer = await sending
    assert answer.status_code == 413, answer.text
    assert taken == size


async def test_over_a_connection_little_is_held_too(
    live: LiveGateway, services: FakeServices
) -> None:
    services.upload.may_read.clear()
    _, writer = await live.connect()
    writer.write(request_head(live.port, 200 * MEGABYTE) + file(b"")[: -len(b"\r\n")])
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            writer.write(bytes(65_536))
            await writer.drain()
            sent += 65_536

    flooding = asyncio.create_task(flood())
    await services.upload.begun.wait()
    reached = -1
    while reached != sent:
        reached = sent
        await asyncio.sleep(0.2)
    flooding.cancel()
    writer.transport.abort()
    services.upload.may_read.set()
    assert reached < 32 * MEGABYTE  # the buffers of the system's sockets included


async def test_a_file_refused_early_is_answered_while_the_client_still_sends(
    live: LiveGateway, services: FakeServices
) -> None:
    error = FileTooLarge(size_bytes=MEGABYTE, limit_bytes=1000)
    services.upload.refusal = lambda received: error if received.chunks else None
    answer = await live.client.post(
        "/images", content=form(file(bytes(30 * MEGABYTE))), headers=FORM
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "file_too_large"
    assert sum(len(chunk) for chunk in services.upload.files[0].chunks) <= MEGABYTE


@pytest.mark.parametrize("length", ["10000000000", "99999999999999999999"])
async def test_a_declared_length_beyond_the_limit_is_refused_at_once(
    live: LiveGateway, length: str
) -> None:
    reader, writer = await live.connect()
    head = f"POST /search HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nContent-Length: {length}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
    writer.close()
