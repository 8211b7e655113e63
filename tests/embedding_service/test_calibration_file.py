"""Calibrations beside the encoders they were fitted for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from embedding_service.calibration_file import (
    load_calibration,
    load_late_calibration,
    store_calibration,
    store_late_calibration,
)
from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.encoders.mini import MiniEncoder
from embedding_service.models.problems import BrokenModel, ModelProblem
from embedding_service.models.store import ModelStore
from embedding_service.multi_embedder import MultiVectorEmbedder
from embedding_service.service import FULL_NAME, EmbeddingAdapter
from search_service import embedding_client
from search_service.embedding_client import EmbeddingClient
from search_service.encoder_binding import EncoderSpec as IndexSpec
from tests.embedding_service.conftest import DIM, SIZE, HistogramEncoder, no_other
from tests.embedding_service.letter_documents import LetterEncoder
from tests.embedding_service.test_document_models import MODEL, manifest
from tests.embedding_service.tiny_store import TINY_ID, tiny_store
from viewfinder.calibration import FILE_NAME, Background, Calibration, Logistic, rounded
from viewfinder.errors import ServiceUnavailable
from viewfinder.late_calibration import LateCalibration
from viewfinder.pixels import PixelSpec
from viewfinder.rpc_server import RpcServer
from viewfinder.v1 import embedding_pb2, embedding_pb2_grpc


def calibration(dim: int = DIM, **changes: Any) -> Calibration:
    background = Background(rounded(np.zeros(dim)), rounded(np.eye(dim)[:1]), (0.01,), 0.01)
    made = Calibration(
        "histogram", "r1", 0.01, background, Logistic(1.0, -3.0), Logistic(1.0, -6.0)
    )
    return replace(made, **changes)


def test_mini_carries_the_calibration_of_its_weights(tmp_path: Path) -> None:
    encoder = MiniEncoder()
    known = load_calibration(tmp_path, encoder.spec)
    assert known is not None
    assert known.revision == encoder.spec.revision
    vector = encoder.embed_texts(["a cat"])[0]
    curve = known.curve(vector, "text")
    assert curve.of(0.0) < 0.01
    assert 0.5 < curve.of(0.45) < 1


def test_a_calibration_is_kept_with_its_model_for_all_its_precisions(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    manifest = store.get(TINY_ID)
    fitted = calibration(manifest.dim, encoder=TINY_ID, revision=manifest.revision)
    assert load_calibration(tmp_path, manifest.spec("fp32")) is None
    path = store_calibration(tmp_path, fitted)
    assert path == store.path_of(TINY_ID) / FILE_NAME
    for precision in ("fp32", "int8"):
        found = load_calibration(tmp_path, manifest.spec(precision))
        assert found is not None
        assert found.id == fitted.id
    store.check_files(TINY_ID)


def test_a_calibration_of_other_weights_is_left_alone(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    manifest = store.get(TINY_ID)
    fitted = calibration(manifest.dim, encoder=TINY_ID, revision="another")
    with pytest.raises(BrokenModel, match="calibrate it again"):
        store_calibration(tmp_path, fitted)
    (store.path_of(TINY_ID) / FILE_NAME).write_text(fitted.to_json(), "utf-8")
    with capture_logs() as logs:
        assert load_calibration(tmp_path, manifest.spec("fp32")) is None
    assert "other weights" in logs[0]["event"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe"])
def test_a_damaged_calibration_is_no_reason_not_to_serve(tmp_path: Path, content: bytes) -> None:
    store = tiny_store(tmp_path)
    (store.path_of(TINY_ID) / FILE_NAME).write_bytes(content)
    with capture_logs() as logs:
        assert load_calibration(tmp_path, store.get(TINY_ID).spec("fp32")) is None
    assert logs[0]["log_level"] == "warning"


def test_an_unknown_model_takes_no_calibration(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    with pytest.raises(ModelProblem):
        store_calibration(tmp_path, calibration(encoder="another"))


SPEC = IndexSpec("histogram", "r1", "dense", DIM, PixelSpec(SIZE))


class Served:
    """The service with this test's calibration; counts how often it is asked for it."""

    def __init__(self, address: str, document: MultiVectorEmbedder | None = None) -> None:
        self.address = address
        self.document = document
        self.embedder = Embedder(HistogramEncoder(), 4, 8, 100, calibration())
        self.asked = 0

    async def __aenter__(self) -> Served:
        served = self

        class Adapter(EmbeddingAdapter):
            async def GetSpec(
                self, request: embedding_pb2.GetSpecRequest, context: Any
            ) -> embedding_pb2.GetSpecResponse:
                served.asked += 1
                return await super().GetSpec(request, context)

        self._server = RpcServer(self.address, grace_s=0)
        self._server.add(
            embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
            Adapter(EmbedderSet(self.embedder, no_other, self.document)),
            FULL_NAME,
        )
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._server.run(on_ready=ready.set))
        await ready.wait()
        self.client = EmbeddingClient(self.address, 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.embedder.close()
        self._server.stop()
        await self._running


async def test_searches_fetch_a_calibration_once(tmp_path: Path) -> None:
    async with Served(f"unix:{tmp_path}/e.sock") as served:
        for text in ("a", "b", "c"):
            _, spec = await served.client.embed_text(text, "")
            found = await served.client.calibration(spec)
            assert found is not None
            assert found.id == calibration().id
        assert served.asked == 1


async def test_a_new_calibration_is_noticed_with_the_next_query(tmp_path: Path) -> None:
    async with Served(f"unix:{tmp_path}/e.sock") as served:
        _, spec = await served.client.embed_text("a", "")
        await served.client.calibration(spec)
        served.embedder.calibration = calibration(text=Logistic(2.0, -3.0))
        _, spec = await served.client.embed_text("b", "")
        found = await served.client.calibration(spec)
        assert found is not None
        assert found.text.slope == 2.0
        served.embedder.calibration = None
        _, spec = await served.client.embed_text("c", "")
        assert await served.client.calibration(spec) is None
        assert served.asked == 3


async def test_a_calibration_of_vectors_that_are_not_the_indexs_is_none(tmp_path: Path) -> None:
    async with Served(f"unix:{tmp_path}/e.sock") as served:
        assert await served.client.calibration(replace(SPEC, revision="r0")) is None
        assert await served.client.calibration(SPEC) is not None


LATE = LateCalibration(MODEL, "r1:1", 0.01, 20.0, -12.0)


@pytest.fixture
def document_store(tmp_path: Path) -> ModelStore:
    store = tiny_store(tmp_path)
    with store.making() as made:
        (made / "model.safetensors").write_bytes(b"weights")
        store.publish(made, manifest())
    return store


def test_that_of_a_document_model_is_kept_with_it_for_its_weights_and_pooling(
    tmp_path: Path, document_store: ModelStore
) -> None:
    assert load_late_calibration(tmp_path, MODEL, 1) is None
    path = store_late_calibration(tmp_path, LATE, 1)
    assert path == document_store.path_of(MODEL) / FILE_NAME
    assert load_late_calibration(tmp_path, MODEL, 1) == LATE
    document_store.check_files(MODEL)
    with capture_logs() as logs:
        assert load_late_calibration(tmp_path, MODEL, 3) is None
    assert "other weights or pooling" in logs[0]["event"]
    with pytest.raises(BrokenModel, match="calibrate it again"):
        store_late_calibration(tmp_path, replace(LATE, revision="r0:1"), 1)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe"])
def test_a_damaged_one_of_a_document_model_is_no_reason_not_to_serve(
    tmp_path: Path, document_store: ModelStore, content: bytes
) -> None:
    (document_store.path_of(MODEL) / FILE_NAME).write_bytes(content)
    with capture_logs() as logs:
        assert load_late_calibration(tmp_path, MODEL, 1) is None
    assert "cannot be used" in logs[0]["event"]


async def test_searches_learn_of_it_with_the_document_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_client, "_DOCUMENT_SPEC_S", 0.0)
    told: list[None] = []

    async def tell() -> None:
        told.append(None)

    document = MultiVectorEmbedder(LetterEncoder(), 4, 100, LATE)
    address = f"unix:{tmp_path}/e.sock"
    async with Served(address, document):
        client = EmbeddingClient(address, 5, tell)
        spec = await client.document_spec()
        assert spec is not None
        assert client.late_calibration(spec) == LATE
        assert client.late_calibration(replace(spec, revision="l0")) is None
        assert not told
        document.calibration = None
        assert await client.document_spec() == spec
        assert client.late_calibration(spec) is None
        assert len(told) == 1  # answers that are kept were judged by it
        await client.close()
    await document.close()


async def test_an_encoder_that_is_away_is_told_from_one_without_calibration(
    tmp_path: Path,
) -> None:
    client = EmbeddingClient(f"unix:{tmp_path}/nobody.sock", 1)
    with pytest.raises(ServiceUnavailable):
        await client.calibration(SPEC)
    await client.close()
