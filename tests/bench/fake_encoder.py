"""An encoder of texts without a model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from viewfinder.pixels import PixelSpec


class WordEncoder:
    """The sum of its words' random directions: texts that share words are alike."""

    max_batch = 32
    device = "cpu"

    def __init__(self, dim: int) -> None:
        pixels = PixelSpec(size=8, resize_mode="squash", interpolation="bicubic")
        self.spec = EncoderSpec("words", "1", "dense", dim, pixels)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        rows = [np.sum([self._word(word) for word in text.split()], 0) for text in texts]
        vectors = np.asarray(rows, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        raise NotImplementedError

    def warm_up(self) -> None:
        pass

    def _word(self, word: str) -> FloatArray:
        random = np.random.default_rng(zlib.crc32(word.encode()))
        return random.standard_normal(self.spec.dim).astype(np.float32)
