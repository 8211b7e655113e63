"""A calibration of a document encoder, fitted on pages that are known to fit or not."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from bench.calibrate_late import calibrate_late, per_token, read_splits, show
from bench.calibration_fit import BASE_RATE
from bench.retrieval_dataset import DatasetProblem
from embedding_service import document_loading
from embedding_service.calibration_file import load_late_calibration
from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray, SimilarityMap
from embedding_service.models.commands import app
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings
from tests.embedding_service.test_document_models import MODEL, manifest
from viewfinder.pixels import PixelPool, PixelSpec

WORDS = (
    "invoice", "receipt", "letter", "contract", "recipe", "timetable", "poem", "ticket", "menu",
    "diploma", "passport", "leaflet",
)  # fmt: skip
COUNT = 240
SIDE = 24


def word_of(number: int) -> str:
    return WORDS[number % len(WORDS)]


class GreyEncoder:
    """Sees how grey a page is: of every word there is one grey, and a row that is noise."""

    spec = EncoderSpec("greys", "g1", "multivector", 32, PixelSpec(SIDE, "squash"))
    max_batch = 4
    device = "cpu"

    def __init__(self) -> None:
        self._random = np.random.default_rng(2)
        self._of_word = _unit(self._random.standard_normal((len(WORDS), 32)))

    def embed_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        found = [[WORDS.index(word) for word in text.split() if word in WORDS] for text in texts]
        return [self._of_word[numbers or [0]] for numbers in found]

    def embed_images(self, pixels: Sequence[PixelArray]) -> list[FloatArray]:
        rows = []
        for page in pixels:
            shown = self._of_word[round(float(page.mean()) / 20)]
            noise = self._random.standard_normal((2, 32))
            rows.append(_unit(np.stack([shown + 0.25 * noise[0], noise[1]])))
        return rows

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        raise AssertionError("to calibrate asks for no maps")

    def warm_up(self) -> None:
        pass


def _unit(rows: FloatArray) -> FloatArray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    file = tmp_path / "pages.jsonl"
    lines = []
    for number in range(COUNT):
        grey = 20 * (number % len(WORDS))
        Image.new("L", (SIDE, SIDE), grey).save(tmp_path / f"{number}.png")
        lines.append({"image": f"{number}.png", "captions": [f"the {word_of(number)}"]})
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_a_text_scores_with_a_page_what_searches_tell() -> None:
    text = np.eye(3, dtype=np.float32)[:2]
    page = _unit(np.array([[1, 0, 0], [1, 1, 0]], np.float32))
    assert per_token(text, page) == pytest.approx((1 + 0.5**0.5) / 2)


def test_what_fits_is_probable_and_what_does_not_is_not(dataset: Path) -> None:
    encoder = GreyEncoder()
    with PixelPool() as pool:
        splits = read_splits(dataset, encoder, pool, Console(quiet=True))
    made, (*found,) = calibrate_late("greys", "g1:1", splits, "pages")
    assert (made.encoder, made.revision, made.fitted_on) == ("greys", "g1:1", "pages")
    (text,) = encoder.embed_texts(["a letter"])
    greys = [np.full((SIDE, SIDE, 3), 20 * WORDS.index(word)) for word in ("letter", "menu")]
    fits, fits_not = (made.curve.of(per_token(text, page)) for page in encoder.embed_images(greys))
    assert fits > 0.5
    assert fits_not < 0.05
    guessing = 100 * BASE_RATE * (1 - BASE_RATE)
    for one in found:
        assert one.honesty.brier < guessing / 2
        assert one.honesty.ece < 1
    shown = io.StringIO()
    show(Console(file=shown, width=160), made, found)
    assert "pages: words" in shown.getvalue()


def test_a_document_model_of_the_store_is_calibrated_by_the_command(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    store = ModelStore(models)
    with store.making() as made:
        (made / "model.safetensors").write_bytes(b"weights")
        store.publish(made, manifest())
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(models))
    monkeypatch.setattr(document_loading, "load_document_encoder", lambda _: GreyEncoder())
    ran = CliRunner().invoke(app, ["calibrate", MODEL, str(dataset)])
    assert ran.exit_code == 0, ran.output
    assert "the probability that a page fits" in ran.output
    kept = load_late_calibration(models, MODEL, EmbeddingSettings(_env_file=None).token_pooling)
    assert kept is not None
    assert (kept.encoder, kept.fitted_on) == (MODEL, "pages")


def test_pages_that_cannot_be_read_are_left_out_and_none_at_all_is_told(
    tmp_path: Path, dataset: Path
) -> None:
    for number in range(COUNT):
        (tmp_path / f"{number}.png").write_bytes(b"torn")
    with PixelPool() as pool, pytest.raises(DatasetProblem, match="can be read"):
        read_splits(dataset, GreyEncoder(), pool, Console(quiet=True), limit=5)
