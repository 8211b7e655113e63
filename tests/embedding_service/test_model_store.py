"""The model store: whole models or none, and none is taken from under a running service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from embedding_service.encoder_loading import load_encoder
from embedding_service.models.manifest import Manifest, model_id
from embedding_service.models.problems import BrokenModel, ModelInUse, UnknownModel
from embedding_service.models.store import ModelStore, hold
from tests.embedding_service.tiny_store import TINY_ID, settings, tiny_store


def make_one(store: ModelStore, manifest: Manifest) -> Manifest:
    with store.making() as folder:
        (folder / "text.fp32.onnx").write_bytes(b"weights")
        return store.publish(folder, manifest)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return replace(tiny_store(tmp_path / "other").get(TINY_ID), id="New--one")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.mark.parametrize(
    ("name", "tag", "model"),
    [
        ("ViT-B-32", "laion2b_s34b_b79k", "ViT-B-32--laion2b_s34b_b79k"),
        ("hf-hub:org/repo", "my tag", "hf-hub-org-repo--my-tag"),
        ("../..", "/etc", "--etc"),
    ],
)
def test_an_id_is_one_folder_name(name: str, tag: str, model: str) -> None:
    assert model_id(name, tag) == model


def test_what_was_published_is_read_back(store: ModelStore, manifest: Manifest) -> None:
    made = make_one(store, manifest)
    assert store.ids() == ["New--one"]
    assert store.get("New--one") == made
    assert made.size_bytes == len(b"weights")


def test_publishing_again_replaces_the_model(store: ModelStore, manifest: Manifest) -> None:
    make_one(store, manifest)
    make_one(store, replace(manifest, dim=7))
    assert store.get("New--one").dim == 7
    assert sorted(p.name for p in store.folder.iterdir()) == ["New--one"]


def test_what_fails_in_the_making_leaves_nothing(store: ModelStore) -> None:
    def fail_in_the_making() -> None:
        with store.making() as folder:
            (folder / "text.fp32.onnx").write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_in_the_making()
    assert list(store.folder.iterdir()) == []


@pytest.mark.slow  # starts a process
def test_what_a_killed_process_left_is_swept_and_never_seen(
    store: ModelStore, manifest: Manifest
) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from embedding_service.models.store import ModelStore\n"
        "with ModelStore(Path(sys.argv[1])).making() as folder:\n"
        "    (folder / 'model.json').write_text('{}'); print('made', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(store.folder)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    make_one(store, manifest)
    assert len(list(store.folder.iterdir())) == 2  # the other one still works there
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert store.ids() == ["New--one"]
    make_one(store, manifest)
    assert [p.name for p in store.folder.iterdir()] == ["New--one"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, manifest: Manifest) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from embedding_service.models.store import ModelStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with ModelStore(Path(sys.argv[1])).making() as folder:\n"
        "    (folder / 'text.fp32.onnx').write_bytes(bytes(5000))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m")], capture_output=True, text=True
    )
    assert "File too large" in done.stderr
    assert list((tmp_path / "m").iterdir()) == []


@pytest.mark.parametrize("damage", ["other", "shorter", "gone"])
def test_a_file_that_is_not_the_stored_one_is_found(
    store: ModelStore, manifest: Manifest, damage: str
) -> None:
    make_one(store, manifest)
    store.check_files("New--one")
    path = store.path_of("New--one") / "text.fp32.onnx"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"wEights" if damage == "other" else b"weight")
    with pytest.raises(BrokenModel, match=r"text\.fp32\.onnx"):
        store.check_files("New--one")


def test_an_unknown_model_is_told_near_names(tmp_path: Path) -> None:
    store = tiny_store(tmp_path, "ViT-B-32--openai", "ViT-L-14--openai")
    with pytest.raises(UnknownModel, match="did you mean ViT-B-32--openai"):
        store.get("ViT-B32-openai")


@pytest.mark.parametrize("name", ["", ".", "..", "../other/Tiny--random", "/etc"])
def test_a_path_is_no_name_of_a_model(tmp_path: Path, name: str) -> None:
    tiny_store(tmp_path / "other")
    store = tiny_store(tmp_path / "models")
    with pytest.raises(UnknownModel):
        store.get(name)
    with pytest.raises(UnknownModel):
        store.remove(name)
    assert store.ids() == [TINY_ID]


def test_a_model_of_a_newer_format_says_so(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    path = store.path_of(TINY_ID) / "model.json"
    path.write_text(path.read_text("utf-8").replace('"format": 1', '"format": 2'))
    with pytest.raises(BrokenModel, match="format 2; this Viewfinder reads 1"):
        store.get(TINY_ID)


def test_the_chosen_model_is_not_removed(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    store.use(TINY_ID)
    with pytest.raises(ModelInUse, match="is the chosen one"):
        store.remove(TINY_ID)
    store.use("")
    store.remove(TINY_ID)
    assert store.ids() == []


def test_only_a_model_that_is_there_can_be_chosen(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    with pytest.raises(UnknownModel):
        store.use("Tiny--other")
    assert store.active() == ""


def test_a_model_that_a_service_holds_is_not_removed(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    encoder = load_encoder(settings(tmp_path, FORCE_CPU=True), TINY_ID)
    with pytest.raises(ModelInUse, match="held by a running embedding_service"):
        store.remove(TINY_ID)
    assert encoder.embed_texts(["a cat"]).shape == (1, 32)
    del encoder
    store.remove(TINY_ID)


def test_a_model_that_goes_while_it_serves_serves_on(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    encoder = load_encoder(settings(tmp_path, FORCE_CPU=True), TINY_ID)
    before = encoder.embed_texts(["a cat"])
    for path in store.path_of(TINY_ID).iterdir():
        path.unlink()
    assert (encoder.embed_texts(["a cat"]) == before).all()


@pytest.mark.slow  # starts a process
def test_what_a_killed_service_held_may_go(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    program = (
        "import sys, time; from pathlib import Path\n"
        "from embedding_service.models.store import hold\n"
        "held = hold(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(store.path_of(TINY_ID))], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert store.is_held(TINY_ID)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while store.is_held(TINY_ID) and time.monotonic() < deadline:
        time.sleep(0.01)
    store.remove(TINY_ID)


def test_a_model_that_is_gone_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="was removed"):
        hold(tmp_path / "gone")
