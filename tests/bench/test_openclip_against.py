"""Beside plain open_clip. Run by `make test-models`."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import save_file

from bench import encode_table
from bench.encode import Effort, measure_encode
from bench.encode_texts import LENGTHS, TextMaker
from bench.encoders import EncoderChoice, EncoderProblem
from embedding_service.models import openclip
from embedding_service.models.export import export
from embedding_service.models.openclip import Architecture
from embedding_service.models.store import ModelStore
from embedding_service.models.verify import sample_pictures
from tests.embedding_service.make_tiny_clip import _PREPROCESS, tiny_config, tiny_model

pytestmark = pytest.mark.openclip
QUICK = Effort(rounds=2, starts=1, lengths=(9,), batches=(2,), jpeg_size=(1300, 1000))
MODEL = "tiny--random"


def folder_of(path: Path, *, is_other: bool = False) -> Path:
    """A folder as open_clip reads it, with random weights."""
    config = tiny_config()
    model = tiny_model(json.loads(json.dumps(config)))
    weights = {key: value.contiguous() for key, value in model.state_dict().items()}
    if is_other:
        weights = {key: value.flip(0).contiguous() for key, value in weights.items()}
    path.mkdir(parents=True)
    save_file(weights, path / "open_clip_model.safetensors")
    about = {"model_cfg": config, "preprocess_cfg": {"size": 64, **_PREPROCESS}}
    (path / "open_clip_config.json").write_text(json.dumps(about))
    return path


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights of a model of the store, which keeps them, too."""
    folder = folder_of(tmp_path / "tiny")
    export(
        ModelStore(tmp_path / "models"),
        Architecture("tiny", "random"),
        folder,
        source={},
        pictures=lambda spec: sample_pictures(spec, None)[:4],
        int8=False,
        keep_weights=True,
    )
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "data"))
    return folder


def test_the_same_weights_are_timed_in_the_same_run(checkpoint: Path) -> None:
    quiet = Console(file=io.StringIO())
    choice = EncoderChoice.of(MODEL)
    encoded = measure_encode(choice, quiet, QUICK, against_open_clip=True)
    figures = encoded.figures()
    for name in (
        "text_9_times_faster",
        "text_9_in_process_times_faster",
        "pictures_2_times_faster",
        "jpeg_1mp_times_faster",
        "text_9_open_clip_p50_ms",
        "open_clip_start_s",
        "open_clip_memory_mb",
    ):
        assert figures[name] > 0, name
    text = io.StringIO()
    encode_table.show(Console(file=text, width=100), encoded)
    assert ": open_clip" in text.getvalue()


def test_other_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = folder_of(tmp_path / "other", is_other=True)
    with pytest.raises(EncoderProblem, match="other are not the weights of tiny--random: cosine"):
        measure_encode(
            EncoderChoice.of(MODEL),
            Console(file=io.StringIO()),
            QUICK,
            against_open_clip=True,
            checkpoint=other,
        )


def test_texts_have_as_many_tokens_of_openclip_as_asked_for() -> None:
    tokenizer = openclip.open_clip().SimpleTokenizer()
    for tokens in LENGTHS:
        assert len(tokenizer.encode(TextMaker().text(tokens))) == tokens - 2
