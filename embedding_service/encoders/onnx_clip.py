"""OpenCLIP models of the store on ONNX Runtime: no torch in the process.

Text is cut at the end-of-text token where the tower is causal, which is exact; pictures come as
uint8 and everything up to the unit vector is in the graph.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnxruntime

from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.encoders.onnx_session import make_session
from embedding_service.models.manifest import CELLS, TOKENIZER, TOKENS, Manifest
from embedding_service.models.problems import BrokenModel
from viewfinder.errors import NotExplainable

TEXTS_A_RUN = 16  # beyond that a core gains nothing, and one long text pads more short ones
PICTURES_A_RUN = 8
# What a machine may add to the difference that was measured where the model was verified.
_PROBE_SLACK = 0.003
_VECTORS = ["vectors"]
_NO_CELLS = (
    "it is no ViT of OpenCLIP's own kind, or was exported by an older Viewfinder: if it is one,"
    " export it again with `viewfinder models export` or `viewfinder models pull`"
)
_WARM_TEXTS = ("a", "a photo of two dogs in the snow", "caf\u00e9 &amp; bar, " * 40)


class OnnxClipEncoder:
    """Both towers of a stored model. Safe to call from several threads at once."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        precision: str,
        threads: int = 1,
        *,
        use_cuda: bool = False,
        held: IO[bytes] | None = None,
    ) -> None:
        """Load the towers; `threads` is what one run may use inside an operation.

        `held` marks the model as in use while the encoder lives (store.hold).

        Raises:
            BrokenModel: files are missing or damaged.
        """
        self.spec: EncoderSpec = manifest.spec(precision)
        self._held = held
        self._manifest = manifest
        self._precision = precision
        providers = ["CPUExecutionProvider"]
        if use_cuda:
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._tokenize = ClipTokenizer(folder / TOKENIZER, manifest.text)
            self._text = make_session(folder / f"text.{precision}.onnx", threads, tuple(providers))
            self._image = make_session(
                folder / f"image.{precision}.onnx", threads, tuple(providers)
            )
        except Exception as error:
            raise BrokenModel(f"{folder} cannot be loaded: {_first_line(error)}") from error
        names = [output.name for output in self._image.get_outputs()]
        self._has_cells = TOKENS in names and (folder / CELLS).is_file()
        self._cells: Any = None  # few ask for them: loaded when they are
        self._lock = threading.Lock()
        self._folder = folder
        self._threads = threads
        on_cuda = "CUDAExecutionProvider" in self._image.get_providers()
        self.device: str = "cuda:0" if on_cuda else "cpu"
        self.max_batch: int = 128 if on_cuda else 32
        self._texts_a_run = 256 if on_cuda else TEXTS_A_RUN
        self._pictures_a_run = 64 if on_cuda else PICTURES_A_RUN

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed `n` texts; returns float32 [n, dim], every row of length 1.

        What is beyond the model's context is not read, as the model was trained.
        """
        vectors = np.empty((len(texts), self.spec.dim), np.float32)
        for start in range(0, len(texts), self._texts_a_run):
            rows = slice(start, start + self._texts_a_run)
            vectors[rows] = self._text.run(None, {"ids": self._tokenize(texts[rows])})[0]
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
                f"but {self.spec.name} wants uint8 [n, {size}, {size}, 3]"
            )
        vectors = np.empty((len(pixels), self.spec.dim), np.float32)
        for start in range(0, len(pixels), self._pictures_a_run):
            rows = slice(start, start + self._pictures_a_run)
            vectors[rows] = self._image.run(_VECTORS, {"pixels": pixels[rows]})[0]
        return vectors

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """What is seen where: uint8 [size, size, 3] to unit vectors float32 [rows, columns, dim],
        one for each patch of the ViT.

        Raises:
            NotExplainable: the model was exported without, or is no ViT.
        """
        if not self._has_cells:
            raise NotExplainable(encoder=self.spec.name, reason=_NO_CELLS)
        with self._lock:
            if self._cells is None:
                self._cells = make_session(self._folder / CELLS, self._threads)
        tokens = self._image.run([TOKENS], {"pixels": picture[None]})[0]
        cells: FloatArray = self._cells.run(None, {TOKENS: tokens})[0][0]
        return cells

    def warm_up(self) -> None:
        """Run the shapes that will come, so that no caller waits for lazy set-up, and check that
        this machine computes what the verified one did.

        Raises:
            BrokenModel: it does not.
        """
        size = self.spec.pixels.size
        for text in _WARM_TEXTS:
            self.embed_texts([text])
        self.embed_texts([_WARM_TEXTS[1]] * 8)
        for count in (1, 2, self._pictures_a_run):
            self.embed_images(np.zeros((count, size, size, 3), np.uint8))
        verified = self._manifest.verified.by_precision[self._precision]
        for probe in self._manifest.probes:
            cosine = probe.cosine(self.embed_texts([probe.text])[0])
            if not cosine >= verified.text_cosine_min - _PROBE_SLACK:
                raise BrokenModel(
                    f"{self.spec.name} in {self._precision} computes another vector on this machine"
                    f" (cosine {cosine:.4f}, verified {verified.text_cosine_min:.4f}):"
                    " set VIEWFINDER_ENCODER_PRECISION=fp32, or export it on this machine"
                )


def cuda_is_available() -> bool:
    """Whether this onnxruntime can use a GPU: onnxruntime-gpu, and a driver that answers."""
    runtime: Any = onnxruntime
    return "CUDAExecutionProvider" in runtime.get_available_providers()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
