"""Which encoder the settings choose, and what is said when it cannot be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedding_service.encoder_loading import UnknownEncoder, chosen_encoder, load_encoder
from tests.embedding_service.tiny_store import TINY_ID, settings, tiny_store


def test_mini_is_the_encoder_of_an_installation_without_models(tmp_path: Path) -> None:
    assert chosen_encoder(settings(tmp_path)) == "mini"


def test_the_model_that_was_chosen_with_use_is_the_encoder(tmp_path: Path) -> None:
    tiny_store(tmp_path).use(TINY_ID)
    assert chosen_encoder(settings(tmp_path)) == TINY_ID


@pytest.mark.parametrize(
    ("environment", "model"),
    [
        ({"VIEWFINDER_ENCODER": "mini"}, "mini"),
        ({"VIEWFINDER_ENCODER": "Tiny--b"}, "Tiny--b"),
        ({"VIEWFINDER_ENCODER": "Other"}, "Other--a"),
        ({"CLIP_MODEL_NAME": "Other"}, "Other--a"),
        ({"CLIP_MODEL_NAME": "Tiny", "CLIP_PRETRAINED": "b"}, "Tiny--b"),
        ({"CLIP_MODEL_NAME": "Tiny", "CLIP_PRETRAINED": "b", "VIEWFINDER_ENCODER": "mini"}, "mini"),
    ],
)
def test_the_environment_counts_more_than_use(
    tmp_path: Path, environment: dict[str, Any], model: str
) -> None:
    tiny_store(tmp_path, "Tiny--a", "Tiny--b", "Other--a").use("Tiny--a")
    assert chosen_encoder(settings(tmp_path, **environment)) == model


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        (
            {"VIEWFINDER_ENCODER": "clap"},
            r"^VIEWFINDER_ENCODER='clap': there is no model 'clap'.*mini",
        ),
        ({"VIEWFINDER_ENCODER": "Tini--a"}, "did you mean Tiny--a"),
        ({"CLIP_MODEL_NAME": "Tiny"}, r"several models are Tiny: Tiny--a, Tiny--b; name the tag"),
        (
            {"CLIP_MODEL_NAME": "Tiny", "CLIP_PRETRAINED": "c"},
            r"CLIP_MODEL_NAME='Tiny' CLIP_PRETRAINED='c': there is no model 'Tiny--c'; did you",
        ),
        (
            {"VIEWFINDER_ENCODER": "Tiny--a", "CLIP_VECTOR_DIM": 512},
            r"CLIP_VECTOR_DIM=512, but Tiny--a makes vectors of 32 numbers",
        ),
        (
            {"VIEWFINDER_ENCODER": "mini", "CLIP_VECTOR_DIM": 512},
            r"CLIP_VECTOR_DIM=512, but mini makes vectors of 384 numbers",
        ),
        (
            {"VIEWFINDER_ENCODER": "Tiny--a", "VIEWFINDER_ENCODER_PRECISION": "bf16"},
            r"PRECISION=bf16 cannot be had here with onnx; allowed: auto, int8, fp32",
        ),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(
    tmp_path: Path, environment: dict[str, Any], complaint: str
) -> None:
    tiny_store(tmp_path, "Tiny--a", "Tiny--b")
    with pytest.raises(UnknownEncoder, match=complaint) as raised:
        load_encoder(settings(tmp_path, FORCE_CPU=True, **environment))
    assert "\n" not in str(raised.value)


def test_int8_serves_on_a_cpu_where_it_was_verified(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    manifest = store.get(TINY_ID)
    loaded = load_encoder(settings(tmp_path, VIEWFINDER_ENCODER="Tiny", FORCE_CPU=True))
    assert loaded.spec == manifest.spec("int8")
    asked = {"VIEWFINDER_ENCODER": "Tiny", "VIEWFINDER_ENCODER_PRECISION": "fp32"}
    assert load_encoder(settings(tmp_path, FORCE_CPU=True, **asked)).spec == manifest.spec("fp32")


def test_a_name_that_is_given_is_loaded_whatever_is_chosen(tmp_path: Path) -> None:
    tiny_store(tmp_path)
    assert load_encoder(settings(tmp_path), TINY_ID).spec.name == TINY_ID


def test_a_damaged_model_is_said_in_one_line(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    (store.path_of(TINY_ID) / "model.json").write_text("{")
    with pytest.raises(UnknownEncoder, match="is damaged"):
        load_encoder(settings(tmp_path, VIEWFINDER_ENCODER=TINY_ID))


def test_a_model_that_vanishes_while_it_is_loaded_is_said(tmp_path: Path) -> None:
    store = tiny_store(tmp_path)
    (store.path_of(TINY_ID) / "text.int8.onnx").unlink()
    with pytest.raises(UnknownEncoder, match="cannot be loaded"):
        load_encoder(settings(tmp_path, VIEWFINDER_ENCODER=TINY_ID, FORCE_CPU=True))
