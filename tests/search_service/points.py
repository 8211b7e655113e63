"""A small vector space, and points in it."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.encoder_binding import EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.vector_index import IndexPoint, Vector
from viewfinder.pixels import PixelSpec

DIM = 16
FREE = EngineOptions(min_free_bytes=0)
BUILD_ABOVE = 100_000
SPEC = EncoderSpec("histogram", "r1", "dense", DIM, PixelSpec(8))
PAGES_SPEC = EncoderSpec(
    "reader", "r1", "multivector", DIM, PixelSpec(0, "within", "bicubic", 0, 28, 784, 78_400)
)


def unit(vectors: NDArray[Any]) -> Vector:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def word_vector(text: str) -> Vector:
    """A direction for every text, far from all others."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return unit(np.random.default_rng(seed).standard_normal(DIM))


def token_vectors(text: str) -> Vector:
    """A row for every word: what a document encoder makes of a query, and of a page."""
    return np.stack([word_vector(word) for word in text.split()])


def picture_vector(pixels: NDArray[np.uint8]) -> Vector:
    """How many pixels have how much red."""
    counts, _ = np.histogram(pixels[..., 0], bins=DIM, range=(0, 256))
    return unit(counts.astype(np.float64))


def point(number: int, **payload: Any) -> IndexPoint:
    return IndexPoint(UUID(int=number), payload)


def some_points(count: int, seed: int = 0) -> tuple[list[IndexPoint], Vector]:
    """Points numbered from 1 with random directions."""
    vectors = unit(np.random.default_rng(seed).standard_normal((count, DIM)))
    return [point(number, file_name=f"{number}.jpg") for number in range(1, count + 1)], vectors


def ids_of(hits: list[Any]) -> list[int]:
    return [hit.id.int for hit in hits]
