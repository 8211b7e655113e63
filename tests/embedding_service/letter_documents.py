"""A multivector encoder without a model library: letters of texts, columns of pages."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from embedding_service.encoders.base import (
    EncoderSpec,
    FloatArray,
    PixelArray,
    SimilarityMap,
)
from viewfinder.pixels import PixelSpec

DIM = 8
MULTIPLE = 4


class LetterEncoder:
    """A row a letter, and a row a column of four pixels: texts and pages of various lengths.

    `runs` are the numbers of rows in every run; a text with "poison" in it breaks its run.
    """

    spec = EncoderSpec(
        "letters", "l1", "multivector", DIM, PixelSpec(0, "within", "bicubic", 0, MULTIPLE, 16, 256)
    )
    max_batch = 4
    device = "cpu"

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.may_run = threading.Event()
        self.may_run.set()

    def embed_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        self.may_run.wait(10)
        self.runs.append(len(texts))
        if any("poison" in text for text in texts):
            raise ArithmeticError("poisoned")
        return [letters(text) for text in texts]

    def embed_images(self, pixels: Sequence[PixelArray]) -> list[FloatArray]:
        self.may_run.wait(10)
        self.runs.append(len(pixels))
        return [columns(page) for page in pixels]

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        page = columns(pixels)
        words = [(word, (letters(word) @ page.T).mean(0)[None, :]) for word in text.split()]
        return SimilarityMap(1, len(page), tuple(words))

    def warm_up(self) -> None:
        self.embed_texts(["warm"])


def letters(text: str) -> FloatArray:
    """float32 [letters, 8]"""
    return _unit(np.stack([np.roll(np.arange(1, DIM + 1), ord(letter)) for letter in text]))


def columns(page: PixelArray) -> FloatArray:
    """float32 [width / 4, 8]"""
    parts = page.reshape(page.shape[0], -1, MULTIPLE * 3).sum((0, 2))
    return _unit(np.stack([np.arange(1, DIM + 1) + part % 97 for part in parts]))


def _unit(rows: FloatArray) -> FloatArray:
    made: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def some_pages(*widths: int) -> list[PixelArray]:
    """Pages of 8 pixels' height."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (8, width, 3), dtype=np.uint8) for width in widths]
