"""Document models in the store, as settings and commands see them, without torch."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from embedding_service.document_loading import chosen_document_model, load_document_encoder
from embedding_service.encoder_loading import UnknownEncoder, load_encoder
from embedding_service.encoders.idle import DocumentOnDemand
from embedding_service.models.commands import app
from embedding_service.models.document_download import fetch_document, published_document
from embedding_service.models.document_import import look_at
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.problems import (
    BrokenCheckpoint,
    BrokenModel,
    DownloadFailed,
    ModelInUse,
    UnknownModel,
)
from embedding_service.models.store import ModelStore, hold
from tests.embedding_service.fake_hub import fake_hub
from tests.embedding_service.letter_documents import LetterEncoder
from tests.embedding_service.tiny_store import TINY_ID, settings, tiny_store
from viewfinder.errors import ServiceUnavailable
from viewfinder.pictures import PixelSpec

PAGES = PixelSpec(0, "within", "bicubic", 0, 28, 3136, 602_112)
MODEL = "colqwen2-v1.0"


def manifest(model: str = MODEL, **changes: Any) -> DocumentManifest:
    values: dict[str, Any] = {
        "id": model, "name": model, "pretrained": "", "architecture": "ColQwen2",
        "revision": "r1", "dim": 128, "pixels": PAGES, **changes,
    }  # fmt: skip
    return DocumentManifest(**values)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    for variable in ("VIEWFINDER_ENCODER", "CLIP_MODEL_NAME", "VIEWFINDER_DOCUMENT_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("VIEWFINDER_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    store = tiny_store(tmp_path)
    with store.making() as made:
        (made / "model.safetensors").write_bytes(b"weights")
        store.publish(made, manifest())
    return store


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_a_document_model_is_read_as_it_was_stored(store: ModelStore) -> None:
    found = store.get_document(MODEL)
    assert found.pixels == PAGES
    assert list(found.files) == ["model.safetensors"]
    assert store.check_files(MODEL) == found


def test_precision_and_pooling_are_part_of_the_revision() -> None:
    specs = {manifest().spec(p, n).revision for p in ("fp32", "bf16") for n in (1, 3)}
    assert len(specs) == 4


def test_a_calls_pages_fit_a_message() -> None:
    for pixels in (PAGES, PixelSpec(448, "squash"), PixelSpec(0, "within", "bicubic", 0, 2, 4,
                                                              2048 * 2048)):  # fmt: skip
        one = manifest(pixels=pixels)
        area = pixels.max_pixels or pixels.size**2
        assert one.max_batch >= 1
        assert one.max_batch * area * 3 < 16 << 20


def test_an_architecture_this_version_does_not_know_is_said(store: ModelStore) -> None:
    path = store.path_of(MODEL) / "model.json"
    path.write_text(path.read_text("utf-8").replace("ColQwen2", "ColQwen9"), "utf-8")
    with pytest.raises(BrokenModel, match=r"ColQwen9; this Viewfinder reads ColQwen2, "):
        store.read(MODEL)


def test_no_document_model_is_chosen_by_itself(store: ModelStore) -> None:
    assert chosen_document_model(settings(store.folder)) == ""
    assert load_document_encoder(settings(store.folder)) is None


def test_use_chooses_it_beside_the_encoder_for_pictures(store: ModelStore) -> None:
    run("use", TINY_ID)
    answer = run("use", MODEL)
    assert answer.exit_code == 0, answer.output
    assert "chosen for pages" in answer.output
    assert (store.active(), store.active_document()) == (TINY_ID, MODEL)
    assert chosen_document_model(settings(store.folder)) == MODEL
    marked = re.findall(r"^\* +(\S+) ", run("list").output, re.MULTILINE)
    assert {TINY_ID, MODEL} <= set(marked)
    assert "mini" not in marked
    run("use", "none")
    assert chosen_document_model(settings(store.folder)) == ""
    assert store.active() == TINY_ID


def test_the_setting_counts_more_than_use(store: ModelStore) -> None:
    store.use_document(MODEL)
    assert chosen_document_model(settings(store.folder, VIEWFINDER_DOCUMENT_MODEL="none")) == ""
    chosen = settings(store.folder, VIEWFINDER_DOCUMENT_MODEL=MODEL)
    store.use_document("")
    assert chosen_document_model(chosen) == MODEL


@pytest.mark.parametrize("name", ["colqwen9", TINY_ID])
def test_a_wrong_name_is_said_in_one_line_with_what_is_there(store: ModelStore, name: str) -> None:
    with pytest.raises(UnknownEncoder) as raised:
        load_document_encoder(settings(store.folder, VIEWFINDER_DOCUMENT_MODEL=name))
    said = str(raised.value)
    assert said.startswith(f"VIEWFINDER_DOCUMENT_MODEL='{name}'")
    assert said.endswith(f"document models here: {MODEL}")
    assert "\n" not in said


def test_where_there_is_none_yet_it_says_how_to_bring_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoder, match=r"viewfinder models pull colqwen2-v1\.0"):
        load_document_encoder(settings(tmp_path, VIEWFINDER_DOCUMENT_MODEL="colqwen2"))


def test_what_is_not_installed_is_said_with_the_command(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnknownEncoder, match=r"pip install 'viewfinder\[colqwen\]'") as raised:
        load_document_encoder(settings(store.folder, VIEWFINDER_DOCUMENT_MODEL=MODEL))
    assert "\n" not in str(raised.value)


def test_a_document_model_is_no_encoder_for_pictures(store: ModelStore) -> None:
    with pytest.raises(UnknownEncoder, match=f"VIEWFINDER_DOCUMENT_MODEL={MODEL} uses it"):
        load_encoder(settings(store.folder, VIEWFINDER_ENCODER=MODEL))


def test_the_chosen_one_and_one_in_use_are_not_removed(store: ModelStore) -> None:
    store.use_document(MODEL)
    with pytest.raises(ModelInUse, match="is the chosen one"):
        store.remove(MODEL)
    store.use_document("")
    with hold(store.path_of(MODEL)), pytest.raises(ModelInUse, match="running embedding_service"):
        store.remove(MODEL)
    assert run("remove", MODEL).exit_code == 0
    assert MODEL not in store.ids()


def folder_with(path: Path, **files: Any) -> Path:
    path.mkdir()
    for name, content in files.items():
        file = path / name.replace("__", ".")
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_weights_that_could_run_code_are_refused(tmp_path: Path) -> None:
    about = {"architectures": ["ColQwen2"]}
    folder = folder_with(tmp_path / "m", config__json=about, pytorch_model__bin="x")
    with pytest.raises(BrokenCheckpoint, match=r"no weights as safetensors but pytorch_model\.bin"):
        look_at(folder, None)


def test_an_adapter_asks_for_its_base_by_name(tmp_path: Path) -> None:
    about = {"base_model_name_or_path": "vidore/colqwen2-base"}
    folder = folder_with(tmp_path / "m", adapter_config__json=about, a__safetensors="x")
    with pytest.raises(BrokenCheckpoint, match=r"adapter for vidore/colqwen2-base.*--base FOLDER"):
        look_at(folder, None)
    answer = run("import", str(folder))
    assert answer.exit_code == 1
    assert "--base FOLDER" in answer.output


@pytest.mark.parametrize(
    ("architecture", "hint"),
    [("LlamaForCausalLM", "ColQwen2, "), ("ColQwen2ForRetrieval", "without -hf in its name")],
)
def test_another_architecture_is_refused_naming_those_there_are(
    tmp_path: Path, architecture: str, hint: str
) -> None:
    about = {"architectures": [architecture]}
    folder = folder_with(tmp_path / "m", config__json=about, a__safetensors="x")
    with pytest.raises(BrokenCheckpoint, match=hint):
        look_at(folder, None)


def test_a_broken_config_is_said(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "m", config__json="{", a__safetensors="x")
    with pytest.raises(BrokenCheckpoint, match="cannot be read"):
        look_at(folder, None)


def test_a_model_is_loaded_by_the_first_call_and_dropped_when_idle() -> None:
    made: list[LetterEncoder] = []

    def make() -> LetterEncoder:
        made.append(LetterEncoder())
        return made[-1]

    spec = LetterEncoder.spec
    encoder = DocumentOnDemand(make, 0, spec, 4, "cuda:0")
    assert (encoder.is_loaded, encoder.spec, encoder.device) == (False, spec, "cuda:0")
    encoder.embed_texts(["a"])
    encoder.embed_texts(["b"])
    assert encoder.is_loaded
    assert len(made) == 1


def test_files_that_vanished_since_the_start_are_no_fault_of_the_page() -> None:
    def make() -> LetterEncoder:
        raise BrokenModel("model.safetensors is gone")

    encoder = DocumentOnDemand(make, 0, LetterEncoder.spec, 4, "cpu")
    with pytest.raises(ServiceUnavailable, match="document model letters"):
        encoder.embed_texts(["a"])


pulled = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed"
)


@pulled
def test_an_adapter_and_its_base_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        about = json.dumps({"base_model_name_or_path": "vidore/colqwen2-base"}).encode()
        hub.files = {
            "adapter_config.json": about, "adapter_model.safetensors": b"a", "config.json": b"{}",
            "model.safetensors": b"w",
        }  # fmt: skip
        fetched = fetch_document(published_document(MODEL), tmp_path)
    assert (fetched.folder / "adapter_model.safetensors").read_bytes() == b"a"
    assert fetched.base is not None
    assert (fetched.base / "model.safetensors").read_bytes() == b"w"
    assert fetched.source["base"] == "vidore/colqwen2-base"


@pulled
def test_without_a_network_it_says_word_for_word_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadFailed) as raised:
        fetch_document(published_document(MODEL), tmp_path)
    said = str(raised.value)
    assert "hf download vidore/colqwen2-v1.0 --local-dir colqwen2-v1.0" in said
    assert "hf download vidore/colqwen2-base --local-dir colqwen2-base" in said
    assert "viewfinder models import colqwen2-v1.0 --base colqwen2-base" in said


def test_a_name_that_is_no_repository_is_refused() -> None:
    with pytest.raises(UnknownModel, match="OWNER/NAME"):
        published_document("a/b/c")
