"""What `mini` sees where: the shipped model, cut in two without touching its file."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import skimage.data
from PIL import Image

from embedding_service.encoders.base import CellEncoder, PixelArray
from embedding_service.encoders.mini import PACKAGED, MiniEncoder
from embedding_service.encoders.mini_cells import MiniCells
from embedding_service.encoders.onnx_graph import FLOAT, OnnxGraph
from embedding_service.encoders.onnx_session import make_session
from embedding_service.explaining import COMMON_TEXTS, seen

ALL_CELLS = 15  # around any of the 8 x 8


@cache
def mini() -> MiniEncoder:
    return MiniEncoder()


@cache
def graph() -> OnnxGraph:
    return OnnxGraph((PACKAGED / "image.onnx").read_bytes())


def side_by_side(left: PixelArray, right: PixelArray) -> PixelArray:
    """The middles of two pictures as one of 256 x 256."""
    halves = [
        np.asarray(Image.fromarray(picture).resize((256, 256)))[:, 64:192]
        for picture in (left, right)
    ]
    return np.concatenate(halves, axis=1)


def test_the_window_of_all_cells_gives_the_pictures_own_vector() -> None:
    cells = MiniCells((PACKAGED / "image.onnx").read_bytes(), 1)
    picture = np.asarray(Image.fromarray(skimage.data.coffee()).resize((256, 256)))
    own = mini().embed_images(picture[None])[0]
    made = cells.embed(picture, windows=[ALL_CELLS])
    assert made.shape == (8, 8, 384)
    np.testing.assert_allclose(made, np.broadcast_to(own, made.shape), atol=1e-5)


@pytest.mark.parametrize("cat_is_left", [True, False])
def test_a_text_is_seen_in_the_half_that_shows_it(cat_is_left: bool) -> None:
    cat, coffee = skimage.data.cat(), skimage.data.coffee()
    picture = side_by_side(cat, coffee) if cat_is_left else side_by_side(coffee, cat)
    cells = mini().embed_cells(picture)
    common = mini().embed_texts(COMMON_TEXTS)
    for text, is_left in (("a cat", cat_is_left), ("a cup of coffee", not cat_is_left)):
        heat = seen(cells, mini().embed_texts([text])[0], common)
        left, right = heat[:, :4].sum(), heat[:, 4:].sum()
        assert (left > right) == is_left, text


def test_mini_is_an_encoder_of_cells() -> None:
    assert isinstance(mini(), CellEncoder)


def test_a_part_of_a_model_calculates_what_the_whole_does() -> None:
    (pooled,) = graph().outputs_from("ReduceMean", graph().inputs_of("ReduceMean")[-1])
    pixels = np.full((2, 256, 256, 3), 90, np.uint8)
    part = make_session(graph().between({"pixels": 0}, [pooled, "vectors"]), 1)
    means, vectors = part.run(None, {"pixels": pixels})
    assert means.shape == (2, 1280)
    np.testing.assert_allclose(vectors, mini().embed_images(pixels), atol=1e-6)


def test_a_part_leaves_out_what_it_does_not_need() -> None:
    coarse = graph().inputs_of("ReduceMean")[-1]
    (pooled,) = graph().outputs_from("ReduceMean", coarse)
    part = graph().between({coarse: FLOAT}, [pooled])
    assert len(part) < 100_000
    made = make_session(part, 1).run(None, {coarse: np.ones((1, 3, 2, 2), np.float32)})[0]
    assert made.tolist() == [[1.0, 1.0, 1.0]]


def test_a_part_that_needs_more_than_its_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="pixels"):
        graph().between({}, ["vectors"])
    with pytest.raises(ValueError, match="nowhere"):
        graph().between({"pixels": 0}, ["nowhere"])
