"""Where a text is seen: the map's scale, and what callers get when it cannot be made."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from embedding_service.embedder import Embedder
from embedding_service.encoders.base import (
    EncoderSpec,
    FloatArray,
    MultiVectorEncoder,
    PixelArray,
    SimilarityMap,
)
from embedding_service.encoders.idle import IdleUnloading
from embedding_service.explaining import MAX_WAITING, WordExplaining, seen, words_seen
from tests.embedding_service.conftest import (
    DIM,
    SIZE,
    HistogramEncoder,
    some_pictures,
    text_vector,
)
from viewfinder.errors import DeadlineExceeded, InvalidRequest, NotExplainable, Overloaded
from viewfinder.v1 import common_pb2, embedding_pb2

ONE_PICTURE = some_pictures(1)


class CornerEncoder(HistogramEncoder):
    """Sees "the corner" at the lower right, and nothing anywhere else."""

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        assert picture.shape == (SIZE, SIZE, 3)
        self.may_run_images.wait(10)
        cells = np.zeros((3, 2, DIM), np.float32)
        cells[2, 1] = text_vector("the corner")
        return cells


def asked(text: str, pixels: PixelArray = ONE_PICTURE) -> embedding_pb2.ExplainRequest:
    count, height, width, _ = pixels.shape
    return embedding_pb2.ExplainRequest(
        pixels=common_pb2.Pixels(data=pixels.tobytes(), count=count, height=height, width=width),
        text=text,
    )


@pytest.fixture
def encoder() -> HistogramEncoder:
    return CornerEncoder()


# --- the map ---


def test_the_cell_that_shows_the_text_is_the_brightest() -> None:
    common = np.eye(8, dtype=np.float32)[4:]
    cells = np.zeros((4, 4, 8), np.float32)
    cells[1, 2, 0] = 0.5
    heat = seen(cells, np.eye(8, dtype=np.float32)[0], common)
    assert heat.max() == heat[1, 2] == 1
    assert heat.sum() == 1


def test_what_shows_every_text_alike_is_not_bright() -> None:
    common = np.eye(8, dtype=np.float32)[4:]
    cells = np.zeros((4, 4, 8), np.float32)
    cells[0, 0] = 0.5  # near to all texts
    cells[1, 2, 0] = 0.3
    heat = seen(cells, np.eye(8, dtype=np.float32)[0], common)
    assert heat[1, 2] == heat.max()
    assert heat[0, 0] == 0


def test_a_text_that_is_not_there_gives_a_dim_map() -> None:
    common = np.eye(8, dtype=np.float32)[4:]
    cells = np.zeros((4, 4, 8), np.float32)
    cells[3, 3, 4] = 0.5  # shows one of the common texts
    cells[1, 2, 0] = 0.05
    heat = seen(cells, np.eye(8, dtype=np.float32)[0], common)
    assert 0 < heat.max() < 0.3


def test_common_texts_that_are_alike_the_text_do_not_dim_it() -> None:
    text = np.eye(8, dtype=np.float32)[0]
    common = np.concatenate([np.eye(8, dtype=np.float32)[2:], text[None]])
    cells = np.zeros((4, 4, 8), np.float32)
    cells[1, 2, 0] = 0.5
    assert seen(cells, text, common).max() == 1


def test_a_picture_without_anything_gives_an_empty_map() -> None:
    heat = seen(
        np.zeros((2, 2, 8), np.float32), np.ones(8, np.float32), np.eye(8, dtype=np.float32)
    )
    assert heat.tolist() == [[0, 0], [0, 0]]


def one_bright(row: int, column: int, value: float) -> FloatArray:
    made = np.zeros((2, 3), np.float32)
    made[row, column] = value
    return made


def test_words_have_maps_of_one_scale_and_the_text_the_brightest_of_them() -> None:
    found = words_seen([("total", one_bright(0, 0, 0.4)), ("amount", one_bright(1, 2, 0.2))])
    assert [token for token, _ in found.tokens] == ["total", "amount"]
    assert found.tokens[1][1][1, 2] == pytest.approx(0.5)
    np.testing.assert_allclose(found.values, one_bright(0, 0, 1.0) + one_bright(1, 2, 0.5))


def test_a_word_that_says_nothing_is_not_in_the_map_of_the_text() -> None:
    found = words_seen([("The", one_bright(0, 0, 0.9)), ("total", one_bright(1, 1, 0.3))])
    assert found.values[0, 0] == 0
    assert found.values[1, 1] == 1
    assert found.tokens[0][1].max() == 1


# --- the service ---


async def test_a_map_comes_back_in_the_shape_of_the_cells(stub: Any) -> None:
    answer = await stub.Explain(asked("the corner"), timeout=5)
    heat = np.frombuffer(answer.data, "<f4").reshape(answer.rows, answer.columns)
    assert heat.shape == (3, 2)
    assert heat[2, 1] == heat.max() == 1
    assert answer.spec.name == "histogram"
    assert not answer.tokens


async def test_an_encoder_without_cells_says_so() -> None:
    blind = Embedder(HistogramEncoder(), text_batch=4, image_batch=8, text_cache_size=100)
    with pytest.raises(NotExplainable, match="whole pictures"):
        await blind.explain(ONE_PICTURE, "the corner", 5)
    await blind.close()


async def test_an_encoder_that_unloads_says_so_too() -> None:
    idle = IdleUnloading(HistogramEncoder, idle_s=0)
    with pytest.raises(NotExplainable):
        idle.embed_cells(ONE_PICTURE[0])
    assert IdleUnloading(CornerEncoder, idle_s=0).embed_cells(ONE_PICTURE[0]).shape == (3, 2, DIM)


@pytest.mark.parametrize(
    "request_",
    [
        asked(""),
        asked("x" * 513),
        asked("the corner", some_pictures(2)),
        asked("the corner", np.zeros((1, SIZE + 1, SIZE, 3), np.uint8)),
        embedding_pb2.ExplainRequest(text="the corner"),
    ],
)
async def test_a_wrong_question_is_refused(
    stub: Any, request_: embedding_pb2.ExplainRequest
) -> None:
    with pytest.raises(InvalidRequest):
        await stub.Explain(request_, timeout=5)


async def test_who_waits_longer_than_his_deadline_is_told(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    await embedder.explain(ONE_PICTURE, "the corner", 5)
    encoder.may_run_images.clear()
    with pytest.raises(DeadlineExceeded):
        await embedder.explain(ONE_PICTURE, "the corner", 0.05)


async def test_too_many_at_once_are_refused(embedder: Embedder, encoder: HistogramEncoder) -> None:
    await embedder.explain(ONE_PICTURE, "the corner", 5)
    encoder.may_run_images.clear()
    waiting = [
        asyncio.create_task(embedder.explain(ONE_PICTURE, "the corner", 5))
        for _ in range(MAX_WAITING)
    ]
    await asyncio.sleep(0)
    while embedder._explaining._work._waiting < MAX_WAITING:
        await asyncio.sleep(0.001)
    with pytest.raises(Overloaded):
        await embedder.explain(ONE_PICTURE, "the corner", 5)
    encoder.may_run_images.set()
    assert len(await asyncio.gather(*waiting)) == MAX_WAITING


class WordEncoder:
    """Sees one word, if there is one, in the upper left."""

    spec = EncoderSpec("words", "r1", "multivector", DIM, CornerEncoder.spec.pixels)
    max_batch = 1
    device = "cpu"

    def embed_texts(self, texts: Any) -> list[FloatArray]:
        raise NotImplementedError

    def embed_images(self, pixels: Any) -> list[FloatArray]:
        raise NotImplementedError

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        words = tuple((word, one_bright(0, 0, 0.5)) for word in text.split())
        return SimilarityMap(2, 3, words)

    def warm_up(self) -> None:
        return None


@pytest.mark.parametrize(("text", "brightest"), [("total", 1.0), (" ", 0.0)])
async def test_an_encoder_of_words_is_asked_for_their_maps(text: str, brightest: float) -> None:
    encoder: MultiVectorEncoder = WordEncoder()
    explaining = WordExplaining(encoder)
    found = await explaining.map_of(ONE_PICTURE[0], text, 5)
    explaining.close()
    assert found.values.shape == (2, 3)
    assert found.values.max() == brightest
