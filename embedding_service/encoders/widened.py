"""`mini@512`, `mini@1024`: mini's vectors written with more numbers, for measuring longer ones.

An index of a million vectors of 512 numbers can so be searched with real texts, with nothing
downloaded. Cosines, and so the answers, are mini's own: it finds nothing better, and takes more
memory. For benchmarks (`viewfinder simulate`), not for collections.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from embedding_service.encoders.base import Encoder, FloatArray, PixelArray

MIN_DIM, MAX_DIM = 385, 4096
_NAME = re.compile(r"mini@([1-9][0-9]{2,3})")
_SEED = 384


def widened_dim(name: str) -> int | None:
    """How long the vectors of `mini@N` are; None for another name."""
    match = _NAME.fullmatch(name)
    if match is None or not MIN_DIM <= int(match[1]) <= MAX_DIM:
        return None
    return int(match[1])


class WidenedEncoder:
    """Another encoder's vectors [n, inner] through a fixed matrix [inner, dim] of orthonormal rows:
    lengths and cosines stay as they are."""

    def __init__(self, inner: Encoder, dim: int) -> None:
        self._inner = inner
        self._matrix = orthonormal_rows(inner.spec.dim, dim)
        self.spec = replace(
            inner.spec,
            name=f"{inner.spec.name}@{dim}",
            revision=f"{inner.spec.revision}-w{dim}",
            dim=dim,
        )
        self.max_batch: int = inner.max_batch
        self.device: str = inner.device

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """As the inner encoder's own, float32 [n, dim]."""
        return self._inner.embed_texts(texts) @ self._matrix

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        """As the inner encoder's own, float32 [n, dim]."""
        return self._inner.embed_images(pixels) @ self._matrix

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """As the inner encoder's own, float32 [rows, columns, dim]."""
        inner: Any = self._inner
        cells: FloatArray = inner.embed_cells(picture) @ self._matrix
        return cells

    def warm_up(self) -> None:
        """As the inner encoder's own."""
        self._inner.warm_up()


def orthonormal_rows(rows: int, dim: int) -> FloatArray:
    """float32 [rows, dim], always the same: the Q of a seeded Gaussian matrix, its signs fixed so
    that it does not depend on the linear algebra library."""
    gaussian = np.random.default_rng(_SEED).standard_normal((dim, rows))
    q, r = np.linalg.qr(gaussian)
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)
