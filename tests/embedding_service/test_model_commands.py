"""`viewfinder models ...` as people type it, without torch."""

from __future__ import annotations

import importlib.util
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from embedding_service.calibration_file import load_calibration
from embedding_service.encoder_loading import load_encoder
from embedding_service.models.commands import app
from embedding_service.models.store import ModelStore
from tests.embedding_service.tiny_store import TINY_ID, settings, tiny_store
from viewfinder.cli import plugins


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    for variable in ("VIEWFINDER_ENCODER", "CLIP_MODEL_NAME", "CLIP_PRETRAINED"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return tiny_store(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def chosen(answer: Result) -> list[str]:
    return re.findall(r"^\* +(\S+)", answer.output, re.MULTILINE)[:1]


def test_list_shows_what_is_here_and_what_is_chosen(store: ModelStore) -> None:
    assert chosen(run("list")) == ["mini"]
    store.use(TINY_ID)
    answer = run("list")
    assert chosen(answer) == [TINY_ID]
    assert "0.9974" in answer.output


def test_list_shows_a_damaged_model_as_such(store: ModelStore) -> None:
    (store.path_of(TINY_ID) / "model.json").write_text("{")
    answer = run("list")
    assert answer.exit_code == 0
    assert "is damaged" in answer.output


def test_use_is_what_the_next_start_takes(store: ModelStore, tmp_path: Path) -> None:
    answer = run("use", "Tiny")
    assert f"viewfinder reindex --model {TINY_ID}" in answer.output
    assert load_encoder(settings(tmp_path, FORCE_CPU=True)).spec.name == TINY_ID
    assert run("use", "mini").exit_code == 0
    assert load_encoder(settings(tmp_path)).spec.name == "mini"


def test_use_says_when_the_environment_says_something_else(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_ENCODER", "mini")
    assert "The environment says mini, which counts more" in run("use", TINY_ID).output


def test_an_unknown_model_is_exit_status_2_with_near_names(store: ModelStore) -> None:
    for command in ("use", "verify", "remove", "export"):
        answer = run(command, "Tini--random")
        assert answer.exit_code == 2
        assert f"did you mean {TINY_ID}?" in answer.output


def test_verify_checks_files_and_vectors(store: ModelStore) -> None:
    answer = run("verify", TINY_ID)
    assert answer.exit_code == 0, answer.output
    assert answer.output.count("agrees") == 2


def test_verify_finds_a_changed_file(store: ModelStore) -> None:
    path = store.path_of(TINY_ID) / "text.int8.onnx"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    answer = run("verify", TINY_ID)
    assert answer.exit_code == 1
    assert "is not the file that was stored" in answer.output


def test_verify_wants_pictures_that_can_be_read(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    answer = run("verify", TINY_ID, "--pictures", str(tmp_path / "none"))
    assert answer.exit_code == 1
    assert "holds no picture that can be read" in answer.output


def test_remove_deletes_what_is_not_in_use(store: ModelStore) -> None:
    store.use(TINY_ID)
    assert "is the chosen one" in run("remove", TINY_ID).output
    run("use", "mini")
    assert run("remove", TINY_ID).exit_code == 0
    assert store.ids() == []


def test_export_without_kept_weights_says_what_to_do(store: ModelStore) -> None:
    answer = run("export", TINY_ID)
    assert answer.exit_code == 1
    assert "pull or import it again" in answer.output


@pytest.mark.parametrize("command", ["pull", "import", "list"])
def test_without_open_clip_one_line_says_what_to_install(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name in ("torch", "open_clip") else real(name, *more),
    )
    (tmp_path / "w.pt").write_bytes(b"")
    arguments = {
        "pull": [],
        "import": [str(tmp_path / "w.pt"), "--name", "ViT-B-32"],
        "list": ["--all"],
    }
    answer = run(command, *arguments[command])
    assert answer.exit_code == 1
    assert answer.output.strip().endswith("pip install 'viewfinder[openclip]'")
    assert answer.output.count("\n") == 1


def test_import_asks_for_the_architecture(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"")
    answer = run("import", str(tmp_path / "w.pt"))
    assert answer.exit_code == 1
    assert "Add --name" in answer.output


def test_help_teaches_with_commands_that_exist() -> None:
    shown = run("--help").output
    mentioned = set(re.findall(r"viewfinder models (\w+)", shown))
    assert mentioned == {"pull", "use", "import"}
    for command in ("list", "pull", "import", "export", "verify", "use", "remove"):
        assert run(command, "--help").exit_code == 0


def test_the_viewfinder_command_passes_everything_on(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    point: Any = EntryPoint("models", "embedding_service.models.commands:app", plugins.GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    viewfinder = typer.Typer()
    viewfinder.callback()(lambda: None)
    plugins.register(viewfinder)
    answer = CliRunner().invoke(viewfinder, ["models", "list", "--search", "tiny"])
    assert TINY_ID in answer.output
    assert "Bring OpenCLIP models" in CliRunner().invoke(viewfinder, ["models", "--help"]).output
    assert CliRunner().invoke(viewfinder, ["models", "use", "nothing"]).exit_code == 2


def test_a_model_is_calibrated_on_pictures_of_ones_own(store: ModelStore, tmp_path: Path) -> None:
    made = np.random.default_rng(0)
    for label in range(12):
        folder = tmp_path / "labels" / f"thing{chr(97 + label)}o"
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = made.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    answer = run("calibrate", "Tiny", str(tmp_path / "labels"))
    assert answer.exit_code == 0, answer.output
    assert "labels: pictures" in answer.output
    encoder = load_encoder(settings(tmp_path, FORCE_CPU=True), TINY_ID)
    assert load_calibration(tmp_path, encoder.spec) is not None


def test_a_dataset_that_says_too_little_calibrates_nothing(
    store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "labels" / "cat").mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(tmp_path / "labels" / "cat" / "1.png")
    answer = run("calibrate", "Tiny", str(tmp_path / "labels"))
    assert answer.exit_code == 2
    assert "says too little" in answer.output
    assert not (store.path_of(TINY_ID) / "calibration.json").exists()


def test_mini_is_not_calibrated_anew(store: ModelStore, tmp_path: Path) -> None:
    answer = run("calibrate", "mini", str(tmp_path))
    assert answer.exit_code == 2
    assert "carries its calibration" in answer.output
