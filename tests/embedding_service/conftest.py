"""A small real encoder, which counts its work and can be held up."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.encoder_loading import UnknownEncoder
from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from embedding_service.models.document_import import import_document_model, look_at
from embedding_service.models.store import ModelStore
from embedding_service.service import FULL_NAME, EmbeddingAdapter
from viewfinder import rpc
from viewfinder.pixels import PixelSpec
from viewfinder.rpc_server import RpcServer
from viewfinder.v1 import embedding_pb2_grpc

# `make test-models` runs them
collect_ignore_glob = [
    f"test_{name}_*.py"
    for name, package in (("openclip", "open_clip"), ("colqwen", "colpali_engine"))
    if importlib.util.find_spec(package) is None
]

SIZE = 4
DIM = 8


class HistogramEncoder:
    """Pictures by how much red they have, texts by their letters.

    `may_run` holds every run up while it is cleared; `text_runs` and `image_runs` are the sizes
    of the batches. A text with "poison" in it breaks its run.
    """

    spec = EncoderSpec("histogram", "r1", "dense", DIM, PixelSpec(SIZE))
    max_batch = 32
    device = "cpu"

    def __init__(self) -> None:
        self.text_runs: list[list[str]] = []
        self.image_runs: list[int] = []
        self.may_run = threading.Event()
        self.may_run.set()
        self.may_run_images = threading.Event()
        self.may_run_images.set()
        self.running = threading.Event()

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        self.running.set()
        self.may_run.wait(10)
        self.text_runs.append(list(texts))
        if any("poison" in text for text in texts):
            raise ArithmeticError("poisoned")
        return np.stack([text_vector(text) for text in texts])

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        self.running.set()
        self.may_run_images.wait(10)
        self.image_runs.append(len(pixels))
        return np.stack([picture_vector(picture) for picture in pixels])

    def warm_up(self) -> None:
        self.embed_texts(["warm"])


def text_vector(text: str) -> FloatArray:
    digest = hashlib.sha256(text.encode()).digest()[:DIM]
    return _unit(np.frombuffer(digest, dtype=np.uint8) + 1.0)


def picture_vector(picture: PixelArray) -> FloatArray:
    counts, _ = np.histogram(picture[..., 0], bins=DIM, range=(0, 256))
    return _unit(counts + 0.1)


def _unit(vector: Any) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def some_pictures(count: int, seed: int = 0) -> PixelArray:
    shape = (count, SIZE, SIZE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def encoder() -> HistogramEncoder:
    return HistogramEncoder()


@pytest.fixture
async def embedder(encoder: HistogramEncoder) -> AsyncIterator[Embedder]:
    embedder = Embedder(encoder, text_batch=4, image_batch=8, text_cache_size=100)
    yield embedder
    encoder.may_run.set()
    encoder.may_run_images.set()
    await embedder.close()


def no_other(name: str) -> Embedder:
    raise UnknownEncoder(f"{name} is not here")


@pytest.fixture
async def stub(embedder: Embedder, tmp_path: Path) -> AsyncIterator[Any]:
    """A client of the service, running over this test's encoder."""
    address = f"unix:{tmp_path}/e.sock"
    server = RpcServer(address, grace_s=1)
    server.add(
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
        EmbeddingAdapter(EmbedderSet(embedder, no_other)),
        FULL_NAME,
    )
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    channel = rpc.open_channel(address, "embedding_service")
    yield embedding_pb2_grpc.EmbeddingServiceStub(channel)
    await channel.close()
    server.stop()
    await running


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tiny document models with random weights, by their families."""
    from tests.embedding_service.tiny_documents import TINY  # needs torch

    root = tmp_path_factory.mktemp("checkpoints")
    return {name: make(root / name) for name, make in TINY.items()}


@pytest.fixture(scope="session")
def document_models(
    tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[str, Path]
) -> ModelStore:
    """A store that has them all."""
    store = ModelStore(tmp_path_factory.mktemp("store"))
    for name, folder in checkpoints.items():
        import_document_model(store, look_at(folder, None), name, "", {})
    return store
