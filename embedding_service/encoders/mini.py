"""`mini`: the encoder that is shipped with Viewfinder; needs no download, no torch, no GPU.

What it is, what it was trained on and what it is bad at: docs/models/mini.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from embedding_service.encoders.mini_cells import MiniCells
from embedding_service.encoders.onnx_session import make_session
from viewfinder.pixels import PixelSpec

PACKAGED = files("embedding_service.encoders") / "mini_model"
MAX_CHARACTERS = 2_000  # far more than the tokens that are read; keeps huge texts cheap
PICTURES_A_RUN = 8  # larger runs are no faster on a core and need more memory


class MiniEncoder:
    """EfficientNet-lite2 with a trained head, and word vectors with convolutions, as ONNX.

    Safe to call from several threads at once.
    """

    max_batch: int = 32
    device: str = "cpu"

    def __init__(self, threads: int = 1, model: Traversable = PACKAGED) -> None:
        """Load the model; `threads` is what one call may use inside an operation."""
        described: dict[str, Any] = json.loads((model / "spec.json").read_text("utf-8"))
        self.spec = EncoderSpec(
            name=described["name"],
            revision=described["revision"],
            kind=described["kind"],
            dim=described["dim"],
            pixels=PixelSpec(**described["pixels"]),
        )
        self._unknown_token: int = described["unknown_token"]
        self._tokenizer: Tokenizer = Tokenizer.from_str(
            (model / "tokenizer.json").read_text("utf-8")
        )
        self._text = make_session((model / "text.onnx").read_bytes(), threads)
        self._image = make_session((model / "image.onnx").read_bytes(), threads)
        self._model = model
        self._threads = threads
        self._cells: MiniCells | None = None
        self._lock = threading.Lock()

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed `n` texts; returns float32 [n, dim], every row of length 1.

        Case, white space and width are folded; what is beyond the model's 48 word pieces is
        not read. A text without any word gets the vector of the unknown word.
        """
        if not texts:
            return np.zeros((0, self.spec.dim), np.float32)
        readable = [_without_lone_surrogates(text[:MAX_CHARACTERS]) for text in texts]
        encodings = self._tokenizer.encode_batch(readable, add_special_tokens=False)
        rows = [encoding.ids or [self._unknown_token] for encoding in encodings]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros(ids.shape, np.float32)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        vectors: FloatArray = self._text.run(None, {"ids": ids, "mask": mask})[0]
        return vectors

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        """Embed pictures prepared as `spec.pixels` says, uint8 [n, size, size, 3] RGB.

        Returns float32 [n, dim], every row of length 1. Raises ValueError for another shape or
        another type of numbers.
        """
        size = self.spec.pixels.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(
                f"pixels are {pixels.dtype} {list(pixels.shape)}, "
                f"but mini wants uint8 [n, {size}, {size}, 3]"
            )
        vectors = np.zeros((len(pixels), self.spec.dim), np.float32)
        for start in range(0, len(pixels), PICTURES_A_RUN):
            rows = slice(start, start + PICTURES_A_RUN)
            vectors[rows] = self._image.run(None, {"pixels": pixels[rows]})[0]
        return vectors

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """What is seen where: uint8 [size, size, 3] to float32 [8, 8, dim], see MiniCells.

        The first call takes longer: few need it, so nothing of it is loaded before.
        """
        with self._lock:
            if self._cells is None:
                self._cells = MiniCells((self._model / "image.onnx").read_bytes(), self._threads)
        return self._cells.embed(picture)

    def warm_up(self) -> None:
        """Run both towers once, so that the first caller does not wait for lazy set-up."""
        size = self.spec.pixels.size
        self.embed_texts(["a photo"])
        self.embed_images(np.zeros((1, size, size, 3), np.uint8))


def _without_lone_surrogates(text: str) -> str:
    """Half characters, which JSON can carry and UTF-8 cannot, become "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")
