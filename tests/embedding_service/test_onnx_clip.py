"""OpenCLIP models without torch: a tiny random CLIP, exported as every model is, serves here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from embedding_service.encoders.base import Encoder
from embedding_service.encoders.clip_text import ClipTokenizer, clean
from embedding_service.encoders.onnx_clip import OnnxClipEncoder
from embedding_service.models.manifest import CELLS, TOKENIZER, Manifest, Probe
from embedding_service.models.problems import BrokenModel
from tests.embedding_service.tiny_store import TINY
from viewfinder.errors import NotExplainable
from viewfinder.pixels import PixelPool

GOLDEN: dict[str, Any] = json.loads(TINY.with_name("tiny_clip_golden.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return Manifest.from_json((TINY / "model.json").read_text("utf-8"), "tiny")


@pytest.fixture(scope="module", params=["fp32", "int8"])
def encoder(request: pytest.FixtureRequest, manifest: Manifest) -> OnnxClipEncoder:
    return OnnxClipEncoder(TINY, manifest, request.param)


@pytest.fixture(scope="module")
def exact(manifest: Manifest) -> OnnxClipEncoder:
    return OnnxClipEncoder(TINY, manifest, "fp32")


def smallest_cosine(found: Any, true: Any) -> float:
    return float((np.asarray(found) * np.asarray(true)).sum(axis=1).min())


def test_it_is_an_encoder(encoder: OnnxClipEncoder) -> None:
    as_interface: Encoder = encoder
    assert as_interface.spec.name == "Tiny--random"
    assert as_interface.device == "cpu"
    as_interface.warm_up()


def test_texts_get_the_vectors_open_clip_gives_them(encoder: OnnxClipEncoder) -> None:
    vectors = encoder.embed_texts(GOLDEN["texts"])
    limit = 0.99999 if encoder.spec == encoder._manifest.spec("fp32") else 0.995
    assert smallest_cosine(vectors, GOLDEN["text_vectors"]) >= limit
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_pictures_get_the_vectors_open_clip_gives_them(encoder: OnnxClipEncoder) -> None:
    root = Path(str(skimage.data.__file__)).parent
    with PixelPool() as pool:
        names = GOLDEN["pictures"]
        pixels = np.stack([pool.prepare(root / name, encoder.spec.pixels) for name in names])
    limit = 0.99999 if encoder.spec == encoder._manifest.spec("fp32") else 0.995
    assert smallest_cosine(encoder.embed_images(pixels), GOLDEN["image_vectors"]) >= limit


def test_ids_are_those_of_open_clip(manifest: Manifest) -> None:
    tokenize = ClipTokenizer(TINY / TOKENIZER, manifest.text)
    for text, true in zip(GOLDEN["texts"], GOLDEN["ids"], strict=True):
        assert tokenize([text])[0].tolist() == true


def test_a_text_longer_than_the_context_ends_with_the_end_of_text_token(manifest: Manifest) -> None:
    ids = ClipTokenizer(TINY / TOKENIZER, manifest.text)(["word " * 500])
    assert ids.shape == (1, 77)
    assert ids[0, -1] == manifest.text.eot_id


def test_a_causal_tower_reads_no_further_than_the_longest_text(manifest: Manifest) -> None:
    tokenize = ClipTokenizer(TINY / TOKENIZER, manifest.text)
    assert tokenize(["a", "a b"]).shape[1] < 10
    full = ClipTokenizer(TINY / TOKENIZER, replace(manifest.text, causal=False))
    assert full(["a", "a b"]).shape == (2, 77)


def test_what_stands_behind_the_end_of_text_token_changes_nothing(
    exact: OnnxClipEncoder, manifest: Manifest
) -> None:
    tokenize = ClipTokenizer(TINY / TOKENIZER, manifest.text)
    texts = ["a cat", "two dogs in the snow"]
    whole = exact._text.run(None, {"ids": tokenize(texts, whole=True)})[0]
    np.testing.assert_allclose(exact.embed_texts(texts), whole, atol=2e-6)


def test_an_exact_vector_does_not_depend_on_its_company(exact: OnnxClipEncoder) -> None:
    alone = exact.embed_texts(["a cat"])[0]
    among = exact.embed_texts(["a cat", "one two three four five six seven", "x"] * 9)
    np.testing.assert_allclose(among[::3], np.tile(alone, (9, 1)), atol=2e-6)


def test_more_rows_than_a_run_holds_keep_their_order(exact: OnnxClipEncoder) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (19, 64, 64, 3), np.uint8)
    one_by_one = np.concatenate([exact.embed_images(picture[None]) for picture in pixels])
    np.testing.assert_allclose(exact.embed_images(pixels), one_by_one, atol=2e-6)


def test_no_rows_make_no_vectors(exact: OnnxClipEncoder) -> None:
    assert exact.embed_texts([]).shape == (0, 32)
    assert exact.embed_images(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 32)


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (64, 64, 3), (1, 3, 64, 64)])
def test_pixels_of_another_shape_are_refused(
    exact: OnnxClipEncoder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="Tiny--random wants uint8"):
        exact.embed_images(np.zeros(shape, np.uint8))


def test_two_precisions_are_two_vector_spaces(manifest: Manifest) -> None:
    assert manifest.spec("fp32").revision != manifest.spec("int8").revision


def test_a_machine_that_computes_something_else_does_not_serve(manifest: Manifest) -> None:
    vector = np.zeros(32, np.float32)
    vector[0] = 1
    other = replace(manifest, probes=(Probe.of("a cat", vector),))
    with pytest.raises(BrokenModel, match="computes another vector on this machine"):
        OnnxClipEncoder(TINY, other, "int8").warm_up()


@pytest.mark.parametrize("file", ["text.fp32.onnx", "image.fp32.onnx", "tokenizer.json"])
def test_a_damaged_file_is_a_broken_model(manifest: Manifest, tmp_path: Path, file: str) -> None:
    for path in TINY.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(
            content[: len(content) // 2] if path.name == file else content
        )
    with pytest.raises(BrokenModel, match="cannot be loaded"):
        OnnxClipEncoder(tmp_path, manifest, "fp32")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A  Photo\tOf\nA CAT", "a photo of a cat"),
        ("caf\u00e9 &amp;amp; bar", "caf\u00e9 & bar"),
        ("schÃ¶n", "sch\u00f6n"),
        ("half \ud83d", "half ?"),
        ("\u201cquoted\u201d", '"quoted"'),
    ],
)
def test_texts_are_cleaned_as_open_clip_cleans_them(text: str, cleaned: str) -> None:
    assert clean(text, "lower") == cleaned


def test_siglip_texts_lose_case_and_punctuation() -> None:
    assert clean("A_Photo, of: a CAT!", "canonicalize") == "a photo of a cat"
    assert clean("A  Cat!", "whitespace") == "A Cat!"


@pytest.mark.slow  # starts a process
def test_serving_imports_neither_torch_nor_open_clip(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / TINY.name).symlink_to(TINY)
    program = (
        "import sys\n"
        "from embedding_service import service, __main__\n"
        "from embedding_service.encoder_loading import load_encoder\n"
        "from embedding_service.settings import EmbeddingSettings\n"
        f"print(load_encoder(EmbeddingSettings(), {TINY.name!r}).embed_texts(['a cat']).shape)\n"
        "print({'torch', 'open_clip', 'onnx', 'transformers'} & set(sys.modules))\n"
    )
    environment = {**os.environ, "VIEWFINDER_DATA_DIR": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, text=True, capture_output=True, check=True
    )
    assert answer.stdout.split("\n")[:2] == ["(1, 32)", "set()"]


def test_patches_have_unit_vectors_of_their_own(encoder: OnnxClipEncoder) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cells = encoder.embed_cells(picture)
    assert cells.shape == (4, 4, encoder.spec.dim)
    np.testing.assert_allclose(np.linalg.norm(cells, axis=2), 1, atol=1e-5)
    assert float((cells[0, 0] * cells[3, 3]).sum()) < 0.999


def test_an_older_export_says_what_to_do_for_heat_maps(manifest: Manifest, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "old")
    (tmp_path / "old" / CELLS).unlink()
    older = OnnxClipEncoder(tmp_path / "old", manifest, "fp32")
    with pytest.raises(NotExplainable, match="viewfinder models export"):
        older.embed_cells(np.zeros((64, 64, 3), np.uint8))
