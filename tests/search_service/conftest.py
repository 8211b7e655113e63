"""Fakes of search_service's neighbours, and a collection in an empty folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from search_service.collection import Collection
from search_service.collection_set import CollectionSet
from search_service.edge_shard import EdgeShard
from search_service.encoder_binding import EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.epoch import ClockEpoch
from search_service.index_folder import open_collections
from search_service.query import Searcher
from search_service.server_collections import ServerCollections
from search_service.server_connection import connect
from search_service.server_options import ServerAddress
from search_service.service import FULL_NAME, SearchAdapter
from search_service.vector_index import Vector
from tests.search_service.engines import quiet_local_mode
from tests.search_service.points import (
    BUILD_ABOVE,
    DIM,
    FREE,
    SPEC,
    picture_vector,
    token_vectors,
    word_vector,
)
from tests.search_service.qdrant_protocol_stub import QdrantStub
from tests.search_service.server_replicas import LAYOUT, OPTIONS, OpenReplica
from viewfinder import rpc
from viewfinder.calibration import Calibration
from viewfinder.late_calibration import LateCalibration
from viewfinder.rpc_server import RpcServer
from viewfinder.v1 import search_pb2_grpc


class FakeEncoder:
    """A QueryEncoder that is an encoder of its own, or fails as told."""

    def __init__(self) -> None:
        self.encoder_spec = SPEC
        self.error: Exception | None = None
        self.known_calibration: Calibration | None = None
        self.text_calls: list[list[str]] = []
        self.document: EncoderSpec | None = None
        self.document_error: Exception | None = None
        self.late: LateCalibration | None = None

    async def embed_text(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        if self.error is not None:
            raise self.error
        return word_vector(text), self.encoder_spec

    async def embed_texts(self, texts: Sequence[str], encoder: str) -> tuple[Vector, EncoderSpec]:
        if self.error is not None:
            raise self.error
        self.text_calls.append(list(texts))
        return np.stack([word_vector(text) for text in texts]), self.encoder_spec

    async def embed_picture(
        self, pixels: NDArray[np.uint8], encoder: str
    ) -> tuple[Vector, EncoderSpec]:
        return picture_vector(pixels), self.encoder_spec

    async def spec(self) -> EncoderSpec:
        return self.encoder_spec

    async def document_spec(self) -> EncoderSpec | None:
        return self.document

    def late_calibration(self, spec: EncoderSpec) -> LateCalibration | None:
        return self.late

    async def embed_tokens(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        if self.document_error is not None:
            raise self.document_error
        assert self.document is not None
        assert encoder == self.document.name
        return token_vectors(text), self.document

    async def calibration(self, spec: EncoderSpec) -> Calibration | None:
        if self.error is not None:
            raise self.error
        return self.known_calibration


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EdgeShard]:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    yield index
    index.close()


@pytest.fixture
def open_all(tmp_path: Path) -> Callable[[], CollectionSet]:
    """Opens the collections of this test's folder; close them before opening them again."""
    return lambda: open_collections(tmp_path / "index", FREE, BUILD_ABOVE)


@pytest.fixture
def open_one(open_all: Callable[[], CollectionSet]) -> Callable[[], Collection]:
    """Opens the active one of them."""
    return lambda: open_all().active


@pytest.fixture
async def collections(open_all: Callable[[], CollectionSet]) -> AsyncIterator[CollectionSet]:
    collections = open_all()
    yield collections
    await collections.close()


@pytest.fixture
def collection(collections: CollectionSet) -> Collection:
    return collections.active


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
async def stub(
    collections: CollectionSet, encoder: FakeEncoder, tmp_path: Path
) -> AsyncIterator[Any]:
    """A client of the service, running over this test's collection."""
    address = f"unix:{tmp_path}/s.sock"
    server = RpcServer(address, grace_s=1)
    adapter = SearchAdapter(collections, Searcher(collections, encoder), "pictures")
    server.add(search_pb2_grpc.add_SearchServiceServicer_to_server, adapter, FULL_NAME)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    channel = rpc.open_channel(address, "search_service")
    yield search_pb2_grpc.SearchServiceStub(channel)
    await channel.close()
    server.stop()
    await running


@pytest.fixture
async def qdrant() -> AsyncIterator[QdrantStub]:
    qdrant = QdrantStub()
    await qdrant.start()
    with quiet_local_mode():
        yield qdrant
    await qdrant.stop()


@pytest.fixture
async def unopened(qdrant: QdrantStub) -> AsyncIterator[Callable[..., ServerCollections]]:
    """Replicas of the service that have not looked at the server yet."""
    async with AsyncExitStack() as stack:

        def make(name: str = "pictures", options: EngineOptions = OPTIONS) -> ServerCollections:
            connection = connect(ServerAddress("127.0.0.1", qdrant.port))
            replica = ServerCollections(connection, name, ClockEpoch(), options, LAYOUT)
            stack.push_async_callback(replica.close)
            return replica

        yield make


@pytest.fixture
async def open_replica(unopened: Callable[..., ServerCollections]) -> OpenReplica:
    """Opens one more replica of the service."""

    async def opened() -> ServerCollections:
        replica = unopened()
        await replica.open()
        return replica

    return opened


@pytest.fixture
async def server_collections(open_replica: OpenReplica) -> ServerCollections:
    return await open_replica()
