"""With the tiny CLIP of embedding_service's tests: nothing to download, no torch."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import encode_table
from bench.encode import Effort, measure_encode
from bench.encoders import EncoderChoice, EncoderProblem
from tests.embedding_service.tiny_store import TINY_ID, tiny_store

QUICK = Effort(rounds=2, starts=1, lengths=(5, 9), batches=(1, 2), jpeg_size=(400, 300))


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    tiny_store(folder)
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(folder))
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "data"))
    return folder


@pytest.mark.slow
def test_everything_is_measured_once_in_process_and_through_a_service() -> None:
    """Slow: it starts embedding_service."""
    quiet = Console(file=io.StringIO())
    encoded = measure_encode(EncoderChoice.of(f"{TINY_ID}@fp32"), quiet, QUICK)
    figures = json.loads(json.dumps(encoded.figures()))
    assert figures["encoder"] == f"{TINY_ID}@fp32"
    assert figures["service_has_torch"] == 0
    assert all(isinstance(value, int | float | str) for value in figures.values())
    for name in (
        "text_5_p50_ms",
        "text_9_in_process_p95_ms",
        "pictures_2_per_s",
        "pictures_1_in_process_per_s",
        "jpeg_0mp_p50_ms",
        "concurrent_8_ratio_in_process",
        "texts_per_s_at_8",
        "start_s",
        "memory_mb",
        "first_text_to_median",
    ):
        assert figures[name] > 0, name
    assert not any("open_clip" in name for name in figures)
    text = io.StringIO()
    encode_table.show(Console(file=text, width=100), encoded)
    assert "pictures, 2 at once" in text.getvalue()
    assert "open_clip" not in text.getvalue()


def test_a_service_that_does_not_start_says_why(models: Path) -> None:
    choice = EncoderChoice.of(TINY_ID)
    encoder_file = next(models.glob("*/text.int8.onnx"))
    quiet = Console(file=io.StringIO())
    encoder_file.write_bytes(b"broken")
    with pytest.raises(EncoderProblem, match=r"Tiny--random.* cannot be loaded"):
        measure_encode(choice, quiet, QUICK)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mini@fp16", "'mini@fp16': mini comes in one precision; write mini"),
        ("mini@best", "'mini@best': no precision 'best'; allowed: auto, int8"),
        ("Huge", r"^'Huge': there is no model"),
    ],
)
def test_an_encoder_that_is_not_there_is_named_with_what_is(name: str, problem: str) -> None:
    with pytest.raises(EncoderProblem, match=problem):
        EncoderChoice.of(name)


def test_a_precision_is_loaded_as_it_is_named() -> None:
    revisions = {EncoderChoice.of(f"{TINY_ID}@{p}").load().spec.revision for p in ("int8", "fp32")}
    assert len(revisions) == 2
    assert EncoderChoice.of("Tiny@int8").title == f"{TINY_ID}@int8"


def test_against_open_clip_needs_a_model_of_the_store_with_its_weights() -> None:
    quiet = Console(file=io.StringIO())
    for name, problem in (
        (TINY_ID, "stored without its weights; name them"),
        ("mini", "open_clip"),
    ):
        with pytest.raises(EncoderProblem, match=problem):
            measure_encode(EncoderChoice.of(name), quiet, QUICK, against_open_clip=True)
