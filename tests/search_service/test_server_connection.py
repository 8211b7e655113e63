"""The connection to a Qdrant server, over real sockets: TLS, keys, deadlines, retries, errors."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from search_service.server_connection import ServerConnection, check_version, connect, why_away
from search_service.server_index import ServerIndex
from search_service.server_options import ServerAddress
from search_service.vector_index import IndexFault, IndexQuery, IndexUnusable
from tests.search_service.points import DIM, FREE, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub
from viewfinder import rpc
from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    ServiceUnavailable,
    StorageFull,
)

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "the node is starting")


@pytest.fixture
async def stub() -> AsyncIterator[QdrantStub]:
    stub = QdrantStub()
    await stub.start()
    yield stub
    await stub.stop()


@asynccontextmanager
async def connected(stub: QdrantStub, **options: object) -> AsyncIterator[ServerConnection]:
    address = replace(ServerAddress("127.0.0.1", stub.port), **options)  # type: ignore[arg-type]
    connection = connect(address)
    yield connection
    await connection.close()


@pytest.fixture
async def connection(stub: QdrantStub) -> AsyncIterator[ServerConnection]:
    async with connected(stub) as connection:
        yield connection


@pytest.fixture
async def index(connection: ServerConnection) -> ServerIndex:
    index = ServerIndex(connection, "pictures", FREE)
    await index.create(DIM)
    return index


class Certificate:
    """A certificate for this machine that only the holder of its own copy trusts."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "server.pem"
        key = folder / "key.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        named = ["-subj", "/CN=qdrant", "-addext", "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(key), "-out", str(self.file)]
        subprocess.run([*command.split(), *named, *files], check=True, capture_output=True)
        pair = (key.read_bytes(), self.file.read_bytes())
        self.credentials = grpc.ssl_server_credentials([pair])


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    return Certificate(tmp_path)


async def test_tls_is_spoken_to_a_server_whose_certificate_is_known(
    certificate: Certificate,
) -> None:
    stub = QdrantStub(api_key="secret")
    await stub.start(certificate.credentials)
    async with connected(stub, tls=True, ca_file=certificate.file, api_key="secret") as connection:
        index = ServerIndex(connection, "pictures", FREE)
        await index.create(DIM)
        points, vectors = some_points(3)
        await index.upsert(points, vectors)
        assert (await index.search(IndexQuery(vectors[0], 1)))[0].id == points[0].id
    await stub.stop()


async def test_a_server_whose_certificate_is_not_known_is_not_spoken_to(
    certificate: Certificate,
) -> None:
    stub = QdrantStub()
    await stub.start(certificate.credentials)
    async with connected(stub, tls=True, timeout_s=3) as connection:
        with pytest.raises((ServiceUnavailable, DeadlineExceeded)):
            await connection.call(connection.client.get_collections())
    assert stub.asked == []
    await stub.stop()


async def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    address = ServerAddress("127.0.0.1", tls=True, ca_file=tmp_path / "missing.pem")
    with pytest.raises(IndexUnusable, match=r"VIEWFINDER_QDRANT_CA_FILE .*missing\.pem"):
        connect(address)


async def test_the_api_key_is_sent_with_every_call(stub: QdrantStub) -> None:
    stub.api_key = "secret"
    async with connected(stub, api_key="secret") as connection:
        index = ServerIndex(connection, "pictures", FREE)
        await index.create(DIM)
        assert await index.count() == 0


@pytest.mark.parametrize("key", ["", "wrong"])
async def test_a_key_that_is_refused_is_told_by_its_settings_name(
    stub: QdrantStub, key: str
) -> None:
    stub.api_key = "secret"
    async with connected(stub, api_key=key) as connection:
        with pytest.raises(IndexUnusable, match="QDRANT_API_KEY"):
            await connection.call(connection.client.get_collections())


async def test_the_key_is_in_no_text_of_the_address() -> None:
    assert "secret" not in f"{ServerAddress('host', api_key='secret')!r}"


async def test_a_server_that_is_starting_is_asked_again(
    stub: QdrantStub, index: ServerIndex
) -> None:
    stub.asked.clear()
    stub.fail_with = [UNAVAILABLE, UNAVAILABLE]
    points, vectors = some_points(3)
    await index.upsert(points, vectors)
    assert stub.asked == ["Upsert"] * 3
    assert await index.count() == 3


async def test_a_server_that_stays_away_is_unavailable(
    stub: QdrantStub, index: ServerIndex
) -> None:
    stub.fail_with = [UNAVAILABLE] * 5
    with pytest.raises(ServiceUnavailable) as caught:
        await index.count()
    assert caught.value.service == "Qdrant"
    assert "the node is starting" in caught.value.reason


async def test_nothing_but_unavailable_is_asked_again(stub: QdrantStub, index: ServerIndex) -> None:
    stub.asked.clear()
    stub.fail_with = [(grpc.StatusCode.INVALID_ARGUMENT, "Wrong input: no such thing")]
    with pytest.raises(IndexFault, match="no such thing"):
        await index.count()
    assert stub.asked == ["Count"]


async def test_a_server_that_comes_back_answers_again(stub: QdrantStub, index: ServerIndex) -> None:
    points, vectors = some_points(3)
    await index.upsert(points, vectors)
    port = stub.port
    await stub.stop()
    with pytest.raises(ServiceUnavailable):
        await index.count()
    await stub.start(port=port)
    assert await index.count() == 3


async def test_a_server_that_does_not_answer_is_left_after_the_timeout(stub: QdrantStub) -> None:
    async with connected(stub, timeout_s=0.2) as connection:
        stub.hold.clear()
        with pytest.raises(DeadlineExceeded) as caught:
            await connection.call(connection.client.get_collections())
        assert caught.value.service == "Qdrant"
        stub.hold.set()


async def test_no_call_outlasts_the_request_that_is_being_served(
    stub: QdrantStub, connection: ServerConnection
) -> None:
    stub.hold.clear()
    rpc.set_deadline(0.2)
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(connection.call(connection.client.get_collections()), 5)
    stub.hold.set()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (grpc.StatusCode.INTERNAL, "Service internal error: No space left on device", StorageFull),
        (grpc.StatusCode.INTERNAL, "Read-only file system (os error 30)", StorageFull),
        (
            grpc.StatusCode.INTERNAL,
            "Failed to apply to enough replicas. Please retry",
            ServiceUnavailable,
        ),
        (grpc.StatusCode.INTERNAL, "Timeout error: deadline exceeded", DeadlineExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Rate limiting exceeded", Overloaded),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "too slow", DeadlineExceeded),
        (grpc.StatusCode.UNIMPLEMENTED, "unknown service", ServiceUnavailable),
        (grpc.StatusCode.PERMISSION_DENIED, "read-only key", IndexUnusable),
        (grpc.StatusCode.NOT_FOUND, "Collection `pictures` doesn't exist!", ServiceUnavailable),
        (grpc.StatusCode.INTERNAL, "panic", IndexFault),
    ],
)
async def test_what_a_server_refuses_arrives_as_our_own_error(
    stub: QdrantStub,
    index: ServerIndex,
    code: grpc.StatusCode,
    text: str,
    expected: type[Exception],
) -> None:
    stub.fail_with = [(code, text)]
    with pytest.raises(expected) as caught:
        await index.delete([some_points(1)[0][0].id])
    assert type(caught.value) is expected or issubclass(type(caught.value), expected)


async def test_a_disk_that_is_full_says_so_and_loses_nothing(
    stub: QdrantStub, index: ServerIndex
) -> None:
    points, vectors = some_points(3)
    await index.upsert(points, vectors)
    stub.fail_with = [(grpc.StatusCode.INTERNAL, "WAL: no space left on device")]
    with pytest.raises(StorageFull, match="no space left"):
        await index.upsert(*some_points(5))
    assert await index.count() == 3


async def test_a_server_that_is_too_old_is_refused_by_its_version(stub: QdrantStub) -> None:
    stub.version = "1.15.4"
    async with connected(stub) as connection:
        with pytest.raises(IndexUnusable, match=r"1\.15\.4 is too old; 1\.16"):
            await check_version(connection)


@pytest.mark.parametrize("version", ["1.16.0", "1.20.3", "2.0.0", "1.21.0-dev"])
async def test_newer_servers_are_taken(stub: QdrantStub, version: str) -> None:
    stub.version = version
    async with connected(stub) as connection:
        assert await check_version(connection) == version


async def test_a_port_that_is_not_published_is_told_from_a_server_that_is_away() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    rest = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = rest.sockets[0].getsockname()[1]
    address = ServerAddress("127.0.0.1", grpc_port=1, rest_port=port)
    assert "publish that port too" in await why_away(address)
    rest.close()
    await rest.wait_closed()
    assert "nothing answers at 127.0.0.1:1" in await why_away(address)
