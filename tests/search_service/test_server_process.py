"""`python -m search_service` on a Qdrant server, which is the protocol's stub here."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from search_service.wire import spec_message
from tests.search_service.engines import quiet_local_mode
from tests.search_service.points import DIM, SPEC, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub
from viewfinder import rpc
from viewfinder.errors import ServiceUnavailable, ViewfinderError
from viewfinder.v1 import common_pb2, search_pb2, search_pb2_grpc

pytestmark = pytest.mark.slow  # starts the process, which imports qdrant-client


@pytest.fixture
async def stub() -> AsyncIterator[QdrantStub]:
    stub = QdrantStub()
    with quiet_local_mode():
        yield stub
    await stub.stop()


class Service:
    """The process, and a client of it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: asyncio.subprocess.Process | None = None
        self._channel = rpc.open_channel(f"unix:{data_dir}/run/search.sock", "search_service")
        self.client: Any = search_pb2_grpc.SearchServiceStub(self._channel)

    async def start(self, port: int, **settings: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "search_service"),
            env={
                **os.environ,
                "VIEWFINDER_DATA_DIR": str(self._data_dir),
                "QDRANT_HOST": "127.0.0.1",
                "QDRANT_GRPC_PORT": str(port),
                "QDRANT_PORT": "1",
                **settings,
            },
            stderr=asyncio.subprocess.PIPE,
        )

    async def ended(self) -> tuple[int | None, str]:
        """Its exit status, and all that it said."""
        assert self._process is not None
        _, said = await asyncio.wait_for(self._process.communicate(), 60)
        return self._process.returncode, said.decode()

    async def answers(self) -> search_pb2.Collection:
        """The collection, once the service has one."""
        for _ in range(200):
            try:
                told: search_pb2.Collection = await self.client.GetCollection(
                    search_pb2.GetCollectionRequest(), timeout=5
                )
            except ViewfinderError:
                await asyncio.sleep(0.1)
            else:
                return told
        raise AssertionError("it never answered")

    async def stop(self) -> int | None:
        """Its exit status after SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return (await self.ended())[0]

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()
        await self._channel.close()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(tmp_path)
    yield service
    await service.close()


def some_upsert() -> search_pb2.UpsertRequest:
    points, vectors = some_points(5)
    return search_pb2.UpsertRequest(
        spec=spec_message(SPEC),
        points=[search_pb2.Point(id=str(point.id)) for point in points],
        vectors=common_pb2.Vectors(data=vectors.tobytes(), count=5, dim=DIM),
    )


async def test_it_serves_from_the_server_and_keeps_nothing_itself(
    service: Service, stub: QdrantStub, tmp_path: Path
) -> None:
    stub.api_key = "secret"
    await stub.start()
    await service.start(stub.port, QDRANT_API_KEY="secret", QDRANT_COLLECTION="mine")
    await service.answers()
    await service.client.Upsert(some_upsert(), timeout=10)
    first = str(some_points(1)[0][0].id)
    found = await service.client.Search(
        search_pb2.SearchRequest(image_id=first, top_k=10), timeout=10
    )
    assert len(found.hits) == 4
    assert (await service.answers()).vectors_count == 5
    assert [a.alias_name for a in (await stub.local.get_aliases()).aliases] == ["mine"]
    assert not (tmp_path / "index").exists()
    assert await service.stop() == 0


async def test_a_server_that_comes_later_is_waited_for_and_named_meanwhile(
    service: Service, stub: QdrantStub
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await service.start(port)
    for _ in range(200):
        with pytest.raises(ServiceUnavailable) as caught:
            await service.client.Upsert(some_upsert(), timeout=10)
        if caught.value.service == "Qdrant":
            break
        await asyncio.sleep(0.1)
    assert caught.value.service == "Qdrant"
    await stub.start(port=port)
    await service.answers()
    await service.client.Upsert(some_upsert(), timeout=10)
    assert (await service.answers()).vectors_count == 5
    assert await service.stop() == 0


async def test_a_key_that_is_refused_is_one_line_and_status_1(
    service: Service, stub: QdrantStub
) -> None:
    stub.api_key = "secret"
    await stub.start()
    await service.start(stub.port, QDRANT_API_KEY="wrong", VIEWFINDER_LOG_LEVEL="error")
    status, complaint = await service.ended()
    assert status == 1
    assert complaint.count("\n") == 1
    assert "QDRANT_API_KEY" in complaint
    assert "wrong" not in complaint


async def test_a_key_that_is_refused_by_a_server_which_comes_later_ends_it_too(
    service: Service, stub: QdrantStub
) -> None:
    stub.api_key = "secret"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await service.start(port, VIEWFINDER_LOG_LEVEL="error")
    await asyncio.sleep(3)
    await stub.start(port=port)
    status, complaint = await service.ended()
    assert status == 1
    assert "QDRANT_API_KEY" in complaint


async def test_more_copies_wanted_than_there_are_stop_the_start(service: Service) -> None:
    await service.start(1, VIEWFINDER_REPLICAS="2", VIEWFINDER_WRITE_CONSISTENCY="3")
    status, complaint = await service.ended()
    assert status != 0
    assert "VIEWFINDER_WRITE_CONSISTENCY" in complaint
