"""Published weights come from the hub: whole, checked, or with a message that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedding_service.models.download import Published, fetch
from embedding_service.models.problems import DownloadFailed
from tests.embedding_service.fake_hub import COMMIT, FakeHub, fake_hub

NAME, TAG = "ViT-B-32", "laion2b_s34b_b79k"
SAFE, OLD = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
WEIGHTS = bytes(range(256)) * 40_000


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def wanted() -> Published:
    return Published.of(NAME, TAG, {"hf_hub": "laion/CLIP-ViT-B-32/"})


def test_weights_are_fetched_and_noted_with_their_commit(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    hub.files[SAFE] = WEIGHTS
    fetched = fetch(wanted, tmp_path)
    assert fetched.path.read_bytes() == WEIGHTS
    assert fetched.revision == COMMIT
    assert fetched.address == f"{hub.address}/laion/CLIP-ViT-B-32/resolve/main/{SAFE}"


def test_safetensors_are_preferred_and_others_taken_where_there_are_none(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    hub.files[OLD] = b"old"
    assert fetch(wanted, tmp_path).path.name == OLD
    hub.files[SAFE] = b"safe"
    assert fetch(wanted, tmp_path).path.name == SAFE


def test_a_named_file_is_looked_for_as_safetensors_first() -> None:
    named = Published.of("a", "b", {"hf_hub": "apple/MobileCLIP/model.pt"})
    assert (named.repository, named.files) == (
        "apple/MobileCLIP",
        ("model.safetensors", "model.pt"),
    )


def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    hub.files[SAFE] = WEIGHTS * 2
    hub.breaks_after = 15_000_000
    assert fetch(wanted, tmp_path).path.read_bytes() == WEIGHTS * 2
    # Its client writes to the disk in pieces of 10 MB.
    assert hub.ranges[0] == ""
    assert int(hub.ranges[1].removeprefix("bytes=").rstrip("-")) >= 10_000_000


def test_what_is_there_is_not_fetched_again(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    hub.files[SAFE] = WEIGHTS
    fetch(wanted, tmp_path)
    fetch(wanted, tmp_path)
    assert len(hub.ranges) == 1


def test_a_file_that_is_not_what_the_hub_says_is_thrown_away(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    hub.files[SAFE] = WEIGHTS
    hub.lies = True
    with pytest.raises(DownloadFailed, match="arrived damaged"):
        fetch(wanted, tmp_path)
    hub.lies = False
    assert fetch(wanted, tmp_path).path.read_bytes() == WEIGHTS


def test_a_repository_without_weights_is_said(
    hub: FakeHub, wanted: Published, tmp_path: Path
) -> None:
    with pytest.raises(DownloadFailed, match=f"has neither {SAFE} nor {OLD}"):
        fetch(wanted, tmp_path)


def test_without_a_network_it_says_exactly_what_to_do(
    wanted: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadFailed) as raised:
        fetch(wanted, tmp_path)
    said = str(raised.value)
    assert f"http://127.0.0.1:9/laion/CLIP-ViT-B-32/resolve/main/{SAFE}" in said
    assert f"viewfinder models import {SAFE} --name {NAME} --pretrained {TAG}" in said


def test_without_a_network_what_was_fetched_before_is_taken(
    hub: FakeHub, wanted: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files[SAFE] = WEIGHTS
    fetch(wanted, tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(wanted, tmp_path).path.read_bytes() == WEIGHTS


def test_weights_that_lie_elsewhere_are_named() -> None:
    with pytest.raises(DownloadFailed, match=r"at https://example\.org/w\.pt: fetch it"):
        Published.of("a", "b", {"url": "https://example.org/w.pt"})
