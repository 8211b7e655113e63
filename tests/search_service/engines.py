"""The engines that the congruence suite compares, and where a real Qdrant server is found."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import uuid4

import pytest
from qdrant_client import AsyncQdrantClient

from search_service.server_connection import ServerConnection, connect
from search_service.server_index import ServerIndex
from search_service.server_options import ServerAddress
from tests.search_service.points import FREE
from tests.search_service.qdrant_protocol_stub import QdrantStub

IMAGE = "qdrant/qdrant:v1.20.0"
NO_SERVER = (
    "no Qdrant server here: set VIEWFINDER_TEST_QDRANT=host:6334 (or QDRANT_HOST), or have Docker"
    " and testcontainers"
)
KINDS = ("local mode", "gRPC stub", "server")


@contextmanager
def quiet_local_mode() -> Iterator[None]:
    """The local mode warns that it searches exactly and needs no payload indexes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Local mode performs exact")
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        yield


@asynccontextmanager
async def connection_to(kind: str) -> AsyncIterator[ServerConnection]:
    """A connection to one of KINDS; skips the test where there is no real server."""
    if kind == "local mode":
        connection = ServerConnection(AsyncQdrantClient(":memory:"), 60)
        yield connection
        await connection.close()
    elif kind == "gRPC stub":
        stub = QdrantStub()
        await stub.start()
        connection = connect(ServerAddress("127.0.0.1", stub.port))
        yield connection
        await connection.close()
        await stub.stop()
    else:
        with real_server() as address:
            connection = connect(address)
            yield connection
            await connection.close()


@asynccontextmanager
async def engine(kind: str) -> AsyncIterator[ServerIndex]:
    """An index on an engine of this kind, removed afterwards."""
    async with connection_to(kind) as connection:
        index = ServerIndex(connection, f"viewfinder-test-{uuid4().hex}", FREE)
        yield index
        await index.drop()


@contextmanager
def real_server() -> Iterator[ServerAddress]:
    """Where a real server is: named by the environment, or started with Docker."""
    named = os.environ.get("VIEWFINDER_TEST_QDRANT") or os.environ.get("QDRANT_HOST")
    if named:
        host, _, port = named.partition(":")
        yield ServerAddress(
            host,
            int(port or os.environ.get("QDRANT_GRPC_PORT", "6334")),
            api_key=os.environ.get("QDRANT_API_KEY", ""),
            tls=os.environ.get("VIEWFINDER_QDRANT_TLS", "").lower() in ("1", "true"),
        )
        return
    if shutil.which("docker") is None or importlib.util.find_spec("testcontainers") is None:
        pytest.skip(NO_SERVER)
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.waiting_utils import wait_for_logs

    container = DockerContainer(IMAGE).with_exposed_ports(6334)
    try:
        container.start()
    except Exception as error:  # whatever Docker's client says: there is no server then
        pytest.skip(f"{NO_SERVER} ({error})")
    try:
        wait_for_logs(container, "gRPC listening", timeout=60)
        yield ServerAddress(
            container.get_container_host_ip(), int(container.get_exposed_port(6334))
        )
    finally:
        container.stop()
