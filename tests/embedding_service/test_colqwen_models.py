"""Document models on torch: matrices and scores are colpali-engine's own, from the store to MaxSim.

Run by `make test-models`, on tiny models with random weights that are made here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from embedding_service.document_loading import load_document_encoder
from embedding_service.encoders import colpali as colpali_encoder
from embedding_service.models import colpali
from embedding_service.models.store import ModelStore
from tests.embedding_service.colqwen_pages import (
    TEXTS,
    encoder_of,
    engines_scores,
    max_sim,
    prepared,
)
from tests.embedding_service.tiny_documents import TINY
from tests.embedding_service.tiny_store import settings
from viewfinder import rpc
from viewfinder.errors import Overloaded, ViewfinderError
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

pytestmark = [
    pytest.mark.colqwen,
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:(transformers|torch|peft)\..*"),
]


@pytest.fixture(params=TINY)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def test_scores_are_the_processors_own(document_models: ModelStore, name: str) -> None:
    manifest = document_models.get_document(name)
    pages = prepared(manifest, (200, 120), (60, 170), (120, 120))
    encoder = encoder_of(document_models, name)
    texts, matrices = encoder.embed_texts(TEXTS), encoder.embed_images(pages)
    ours = [[max_sim(text, page) for page in matrices] for text in texts]
    np.testing.assert_allclose(ours, engines_scores(document_models, name, pages), rtol=1e-5)
    for matrix in (*texts, *matrices):
        assert (matrix.dtype, matrix.shape[1]) == (np.float32, 128)
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)


def test_a_matrix_does_not_depend_on_what_was_beside_it(
    document_models: ModelStore, name: str
) -> None:
    manifest = document_models.get_document(name)
    pages = prepared(manifest, (200, 120), (60, 170), (120, 120))
    encoder = encoder_of(document_models, name)
    encoder._kind = "cuda"  # batches as on a GPU
    batches = list(encoder._batches(pages))
    together = encoder.embed_images(pages)
    assert len(batches) < len(pages)
    for page, matrix in zip(pages, together, strict=True):
        np.testing.assert_allclose(encoder.embed_images([page])[0], matrix, atol=2e-6)
    for text, matrix in zip(TEXTS, encoder.embed_texts(TEXTS), strict=True):
        np.testing.assert_allclose(encoder.embed_texts([text])[0], matrix, atol=2e-6)


@pytest.mark.parametrize("size", [(200, 120), (1240, 1754), (40, 40), (900, 30), (28, 112)])
def test_what_is_prepared_is_not_resized_again(
    document_models: ModelStore, size: tuple[int, int]
) -> None:
    manifest = document_models.get_document("ColQwen2")
    (page,) = prepared(manifest, size)
    processor = colpali.load_processor(manifest.family, document_models.path_of("ColQwen2"))
    given = processor.image_processor(images=[Image.fromarray(page)], return_tensors="np")
    rows, columns = (side // 14 for side in page.shape[:2])
    assert given["image_grid_thw"].tolist() == [[1, rows, columns]]
    mean, std = (np.array(v) for v in (processor.image_processor.image_mean,
                                       processor.image_processor.image_std))  # fmt: skip
    patches = (page / 255 - mean) / std
    # The first patch of the first four, which belong together: [channel, time, 14, 14].
    first = np.asarray(given["pixel_values"])[0].reshape(3, 2, 14, 14)
    for moment in (0, 1):
        np.testing.assert_allclose(
            first[:, moment].transpose(1, 2, 0), patches[:14, :14], atol=1e-5
        )


def test_square_pages_are_not_resized_again(document_models: ModelStore) -> None:
    manifest = document_models.get_document("ColPali")
    assert manifest.pixels.resize_mode == "squash"
    (page,) = prepared(manifest, (200, 120))
    processor = colpali.load_processor(manifest.family, document_models.path_of("ColPali"))
    given = processor.image_processor(images=[Image.fromarray(page)], return_tensors="np")
    np.testing.assert_allclose(
        np.asarray(given["pixel_values"])[0].transpose(1, 2, 0), page / 127.5 - 1, atol=1e-5
    )


def test_pooling_is_colpali_engines(document_models: ModelStore) -> None:
    from colpali_engine.compression.token_pooling import HierarchicalTokenPooler

    pages = prepared(document_models.get_document("ColQwen2"), (200, 120), (60, 170))
    plain = encoder_of(document_models, "ColQwen2")
    pooled = encoder_of(document_models, "ColQwen2", pooling=3)
    wanted = HierarchicalTokenPooler().pool_embeddings(
        [torch.from_numpy(matrix) for matrix in plain.embed_images(pages)], pool_factor=3
    )
    for ours, true in zip(pooled.embed_images(pages), wanted, strict=True):
        np.testing.assert_allclose(ours, true.numpy(), atol=1e-5)
        assert len(ours) <= len(plain.embed_images(pages[:1])[0]) // 3 + 1
    assert pooled.spec.revision != plain.spec.revision
    np.testing.assert_array_equal(pooled.embed_texts(TEXTS)[0], plain.embed_texts(TEXTS)[0])


def test_half_precision_is_near_and_has_a_revision_of_its_own(
    document_models: ModelStore, name: str
) -> None:
    pages = prepared(document_models.get_document(name), (200, 120))
    full, half = encoder_of(document_models, name), encoder_of(document_models, name, "bf16")
    assert full.spec.revision != half.spec.revision
    for one, other in zip(
        (*full.embed_texts(TEXTS), *full.embed_images(pages)),
        (*half.embed_texts(TEXTS), *half.embed_images(pages)),
        strict=True,
    ):
        assert (one * other).sum(1).min() > 0.98
        np.testing.assert_allclose(np.linalg.norm(other, axis=1), 1, atol=1e-5)


class FullDevice:
    """A model on a device that has memory for so many pages."""

    def __init__(self, model: Any, most: int) -> None:
        self.model, self.most, self.runs = model, most, list[int]()

    def __call__(self, **fed: Any) -> Any:
        self.runs.append(len(fed["input_ids"]))
        if len(fed["input_ids"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model(**fed)


def test_a_batch_that_does_not_fit_is_halved(
    document_models: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = prepared(document_models.get_document("ColQwen2"), *[(120, 120)] * 5)
    encoder = encoder_of(document_models, "ColQwen2")
    wanted = encoder.embed_images(pages)
    encoder._kind = "mps"
    monkeypatch.setattr(colpali_encoder, "_PAGES_A_RUN", {"mps": 8})
    monkeypatch.setattr(colpali_encoder, "_unused_bytes", lambda kind: 2 << 30)
    emptied: list[str] = []
    monkeypatch.setattr(colpali_encoder, "_empty_cache", emptied.append)
    device = FullDevice(encoder._loaded.model, 2)
    object.__setattr__(encoder._loaded, "model", device)
    made = encoder.embed_images(pages)
    assert device.runs == [5, 2, 3, 1, 2]
    for one, other in zip(made, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    assert emptied  # given back after the runs too: 2 GiB were unused
    device.most = 0
    with pytest.raises(Overloaded, match="the memory of cpu"):
        encoder.embed_images(pages[:1])


def test_marks_of_the_tokenizer_in_a_text_are_words_like_others(
    document_models: ModelStore, name: str
) -> None:
    encoder = encoder_of(document_models, name)
    marks = " ".join(encoder._special[:6])
    (matrix,) = encoder.embed_texts([f"how to write {marks} and <image>"])
    assert np.isfinite(matrix).all()
    ids = encoder._loaded.processor.process_queries(texts=[encoder._plain(f"a {marks}")])
    text_ids = ids["input_ids"][0].tolist()
    added = {encoder._loaded.processor.tokenizer.convert_tokens_to_ids(m) for m in encoder._special}
    assert sum(one in added for one in text_ids) <= 11  # the prompt's own, at both ends


def test_a_map_says_where_words_are_seen(document_models: ModelStore, name: str) -> None:
    (page,) = prepared(document_models.get_document(name), (200, 120))
    encoder = encoder_of(document_models, name)
    text = "red invoice"
    found = encoder.similarity_map(page, text)
    assert [word for word, _ in found.words] == ["red", "invoice"]
    loaded = encoder._loaded
    fed = loaded.processor.process_images([Image.fromarray(page)])
    fed.pop("labels", None)
    query = loaded.processor.process_queries(texts=[text])
    with torch.inference_mode():
        of_page, of_text = loaded.model(**fed), loaded.model(**query)
    columns, rows = found.columns, found.rows
    if name == "ColIdefics3":
        true = loaded.processor.get_similarity_maps_from_embeddings(
            of_page, of_text, (columns, rows), loaded.processor.get_local_image_mask(fed)
        )[0]
    else:
        # colpali_engine.interpretability's own lines: importing them needs matplotlib and more.
        patches = of_page[0][loaded.processor.get_image_mask(fed)[0]]
        grid = patches.reshape(rows, columns, -1).permute(1, 0, 2)  # "(h w) c -> w h c"
        true = torch.einsum("nk,ijk->nij", of_text[0], grid)
    ids = query["input_ids"][0].tolist()
    beginning = 1 if ids[0] == loaded.processor.tokenizer.bos_token_id else 0
    of_red = true[beginning : beginning + 3].mean(0).T  # single letters are its tokens
    np.testing.assert_allclose(found.words[0][1], of_red.numpy(), atol=1e-5)
    assert found.words[1][1].shape == (rows, columns)


def test_the_settings_load_it_when_it_is_needed(document_models: ModelStore) -> None:
    environment = {"VIEWFINDER_DOCUMENT_MODEL": "ColQwen2", "VIEWFINDER_TOKEN_POOLING": 2}
    chosen = settings(document_models.folder, FORCE_CPU=True, **environment)
    encoder = load_document_encoder(chosen)
    assert encoder is not None
    assert (encoder.is_loaded, encoder.device, encoder.spec.kind) == (False, "cpu", "multivector")
    encoder.warm_up()
    assert encoder.is_loaded
    assert encoder.spec == document_models.get_document("ColQwen2").spec("fp32", 2)


def test_nothing_asks_a_network(
    document_models: ModelStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delitem(os.environ, "HF_HUB_OFFLINE", raising=False)
    assert encoder_of(document_models, name).embed_texts(["a"])[0].shape[1] == 128


@pytest.mark.slow  # starts the process, with torch
async def test_the_process_serves_it_over_grpc_and_ends_with_status_0(
    document_models: ModelStore, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "embedding_service"],
        env={
            **os.environ,
            "VIEWFINDER_DATA_DIR": str(tmp_path),
            "VIEWFINDER_MODELS_DIR": str(document_models.folder),
            "VIEWFINDER_DOCUMENT_MODEL": "ColQwen2",
            "FORCE_CPU": "true",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    channel = rpc.open_channel(f"unix:{tmp_path}/run/embedding.sock", "embedding_service")
    stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(channel)
    for _ in range(600):
        try:
            answer = await stub.GetSpec(embedding_pb2.GetSpecRequest(document=True))
            break
        except ViewfinderError:
            await asyncio.sleep(0.1)
    assert (answer.spec.name, answer.spec.kind, answer.device) == ("ColQwen2", "multivector", "cpu")
    pages = prepared(document_models.get_document("ColQwen2"), (200, 120), (60, 170))
    sized = [
        common_pb2.Pixels(data=p.tobytes(), count=1, height=p.shape[0], width=p.shape[1])
        for p in pages
    ]
    texts = await stub.EmbedText(
        embedding_pb2.EmbedTextRequest(texts=TEXTS, encoder="ColQwen2"), timeout=60
    )
    assert answer.max_batch == 1  # on a CPU
    of_pages = []
    for page in sized:
        request = embedding_pb2.EmbedImagesRequest(sized=[page], encoder="ColQwen2")
        of_pages += matrices_of((await stub.EmbedImages(request, timeout=60)).multi)
    of_texts = matrices_of(texts.multi)
    ours = [[max_sim(text, page) for page in of_pages] for text in of_texts]
    np.testing.assert_allclose(ours, engines_scores(document_models, "ColQwen2", pages), rtol=1e-5)
    await channel.close()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def matrices_of(message: common_pb2.MultiVectors) -> list[Any]:
    rows = np.frombuffer(message.data, "<f4").reshape(-1, message.dim)
    return np.split(rows, np.cumsum(message.rows)[:-1])
