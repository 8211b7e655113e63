"""The shipped encoder: its contract, its sanity on real pictures, and that it is the one meant."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from embedding_service.encoders.base import Encoder, FloatArray, PixelArray
from embedding_service.encoders.mini import PACKAGED, MiniEncoder

GOLDEN = Path(__file__).with_name("mini_golden.json")
# fmt: off
SAMPLES = [
    "astronaut", "brick", "camera", "cat", "cell", "checkerboard", "clock", "coffee", "coins",
    "colorwheel", "grass", "gravel", "horse", "hubble_deep_field", "immunohistochemistry",
    "logo", "microaneurysms", "moon", "page", "retina", "rocket", "text",
]
# fmt: on


@pytest.fixture(scope="module")
def encoder() -> MiniEncoder:
    return MiniEncoder(threads=1)


def prepared(picture: Image.Image, size: int) -> PixelArray:
    fitted = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
    return np.asarray(fitted, np.uint8)


def sample(name: str) -> Image.Image:
    if name == "motorcycle":
        return Image.open(Path(skimage.data.__file__).with_name("motorcycle_left.png"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = np.asarray(getattr(skimage.data, name)())
    return Image.fromarray(pixels if pixels.dtype == np.uint8 else pixels.astype(np.uint8) * 255)


@pytest.fixture(scope="module")
def gallery(encoder: MiniEncoder) -> tuple[list[str], FloatArray]:
    names = [*SAMPLES, "motorcycle"]
    size = encoder.spec.pixels.size
    pixels = np.stack([prepared(sample(name), size) for name in names])
    return names, encoder.embed_images(pixels)


@pytest.fixture(scope="module")
def noise(encoder: MiniEncoder) -> Callable[[int], PixelArray]:
    size = encoder.spec.pixels.size
    return lambda n: np.random.default_rng(n).integers(0, 256, (n, size, size, 3), np.uint8)


def test_it_is_an_encoder(encoder: MiniEncoder) -> None:
    as_interface: Encoder = encoder
    assert as_interface.spec.name == "mini"
    assert as_interface.spec.kind == "dense"


def test_text_rows_have_the_promised_shape_and_length_one(encoder: MiniEncoder) -> None:
    vectors = encoder.embed_texts(["a dog", "two children on a swing", "x" * 5_000])
    assert vectors.shape == (3, encoder.spec.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_picture_rows_have_the_promised_shape_and_length_one(
    encoder: MiniEncoder, noise: Callable[[int], PixelArray]
) -> None:
    vectors = encoder.embed_images(noise(2))
    assert vectors.shape == (2, encoder.spec.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_and_no_pictures_give_no_rows(
    encoder: MiniEncoder, noise: Callable[[int], PixelArray]
) -> None:
    assert encoder.embed_texts([]).shape == (0, encoder.spec.dim)
    assert encoder.embed_images(noise(1)[:0]).shape == (0, encoder.spec.dim)


def test_a_text_has_the_same_vector_in_any_batch(encoder: MiniEncoder) -> None:
    texts = ["a cat", "a brown dog runs after a ball on the wet sand of a beach", "snow"]
    alone = np.concatenate([encoder.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(encoder.embed_texts(texts), alone, atol=1e-5)


def test_a_picture_has_the_same_vector_in_any_batch(
    encoder: MiniEncoder, noise: Callable[[int], PixelArray]
) -> None:
    pixels = noise(9)  # more than one run
    together = encoder.embed_images(pixels)
    for row in (0, 8):
        alone = encoder.embed_images(pixels[row : row + 1])[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-4)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "🦒🎉", "\ud800", "\x00", "日本語", "ﬁﬁ"])
def test_a_strange_text_still_gets_a_unit_vector(encoder: MiniEncoder, text: str) -> None:
    vector = encoder.embed_texts([text])[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_case_width_and_white_space_do_not_matter(encoder: MiniEncoder) -> None:
    plain, strange = encoder.embed_texts(["a red car", "  A  RED\n\uff43\uff41\uff52 "])
    np.testing.assert_allclose(plain, strange, atol=1e-6)


def test_what_lies_beyond_the_longest_text_is_not_read(encoder: MiniEncoder) -> None:
    long, longer = "a dog " * 60, "a dog " * 60 + "and a cat " * 500
    vectors = encoder.embed_texts([long, longer])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_pixels_of_another_size_are_refused_by_name(encoder: MiniEncoder) -> None:
    with pytest.raises(ValueError, match=r"\[1, 100, 100, 3\]"):
        encoder.embed_images(np.zeros((1, 100, 100, 3), np.uint8))


def test_pixels_as_floats_are_refused(
    encoder: MiniEncoder, noise: Callable[[int], PixelArray]
) -> None:
    with pytest.raises(ValueError, match="float32"):
        encoder.embed_images(noise(1).astype(np.float32))


@pytest.mark.parametrize(
    ("query", "picture"),
    [
        ("a cat", "cat"),
        ("a cup of coffee", "coffee"),
        ("a motorcycle", "motorcycle"),
        ("grass", "grass"),
        ("a man with a camera", "camera"),
    ],
)
def test_a_description_finds_its_picture_first_among_23(
    encoder: MiniEncoder, gallery: tuple[list[str], FloatArray], query: str, picture: str
) -> None:
    names, pictures = gallery
    scores = pictures @ encoder.embed_texts([query])[0]
    assert names[int(scores.argmax())] == picture


def test_a_mirrored_and_recompressed_picture_stays_nearest_to_its_original(
    encoder: MiniEncoder, gallery: tuple[list[str], FloatArray]
) -> None:
    names, pictures = gallery
    file = io.BytesIO()
    ImageOps.mirror(sample("coffee")).save(file, "JPEG", quality=60)
    copy = encoder.embed_images(prepared(Image.open(file), encoder.spec.pixels.size)[None])[0]
    scores = pictures @ copy
    assert names[int(scores.argmax())] == "coffee"
    assert scores.max() > 0.8


def test_the_revision_is_the_hash_of_weights_and_preprocessing(encoder: MiniEncoder) -> None:
    spec = json.loads((PACKAGED / "spec.json").read_text("utf-8"))
    revision = spec.pop("revision")
    digest = hashlib.sha256()
    for name in ("image.onnx", "text.onnx", "tokenizer.json"):
        digest.update((PACKAGED / name).read_bytes())
    digest.update(json.dumps(spec, sort_keys=True).encode())
    assert digest.hexdigest()[:12] == revision == encoder.spec.revision


def test_the_model_still_gives_the_vectors_it_gave_when_it_was_shipped(
    encoder: MiniEncoder, gallery: tuple[list[str], FloatArray]
) -> None:
    """After a retraining: python -m tests.embedding_service.golden_vectors."""
    golden = json.loads(GOLDEN.read_text("utf-8"))
    names, pictures = gallery
    assert golden["revision"] == encoder.spec.revision
    for text, start in golden["texts"].items():
        found = encoder.embed_texts([text])[0][: len(start)]
        np.testing.assert_allclose(found, start, atol=2e-4)
    for name, start in golden["pictures"].items():
        found = pictures[names.index(name)][: len(start)]
        np.testing.assert_allclose(found, start, atol=2e-3)


def test_all_shipped_files_together_stay_within_35_mb() -> None:
    sizes = [len(file.read_bytes()) for file in PACKAGED.iterdir()]
    assert len(sizes) == 5
    assert sum(sizes) <= 35e6
