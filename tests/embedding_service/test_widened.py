"""mini with longer vectors: the same cosines, another space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from embedding_service.encoder_loading import UnknownEncoder, chosen_encoder, load_encoder
from embedding_service.encoders.mini import MiniEncoder
from embedding_service.encoders.widened import WidenedEncoder, orthonormal_rows, widened_dim
from tests.embedding_service.tiny_store import settings

TEXTS = ["a cat", "a red bus in the snow", "old coins"]


@pytest.mark.parametrize(
    ("name", "dim"),
    [
        ("mini@512", 512),
        ("mini@1024", 1024),
        ("mini", None),
        ("mini@384", None),
        ("mini@9999", None),
    ],
)
def test_the_name_says_how_long_vectors_are(name: str, dim: int | None) -> None:
    assert widened_dim(name) == dim


def test_cosines_are_those_of_mini() -> None:
    mini = MiniEncoder()
    short, long = mini.embed_texts(TEXTS), WidenedEncoder(mini, 512).embed_texts(TEXTS)
    assert long.shape == (3, 512)
    assert long.dtype == np.float32
    np.testing.assert_allclose(long @ long.T, short @ short.T, atol=1e-5)


def test_the_matrix_is_always_the_same() -> None:
    first = orthonormal_rows(384, 512)
    np.testing.assert_array_equal(first, orthonormal_rows(384, 512))
    np.testing.assert_allclose(first @ first.T, np.eye(384), atol=1e-5)


def test_it_is_loaded_by_its_name_with_a_revision_of_its_own(tmp_path: Path) -> None:
    chosen = settings(tmp_path, VIEWFINDER_ENCODER="mini@512")
    assert chosen_encoder(chosen) == "mini@512"
    spec = load_encoder(chosen).spec
    assert (spec.name, spec.dim) == ("mini@512", 512)
    assert spec.revision != MiniEncoder().spec.revision
    assert spec.revision != load_encoder(chosen, "mini@1024").spec.revision


def test_a_length_that_mini_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoder):
        load_encoder(settings(tmp_path), "mini@100")
