"""OpenCLIP models of the store on torch, for GPUs: bf16 or fp16 under autocast, one model in
memory. Needs the kept weights (`viewfinder models pull NAME TAG --keep-weights`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.models import openclip, towers
from embedding_service.models.cells import CellsTower, TokensTower, cells_head
from embedding_service.models.manifest import TOKENIZER, WEIGHTS, Manifest
from embedding_service.models.openclip import Architecture
from embedding_service.models.problems import BrokenModel
from viewfinder.errors import NotExplainable

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Lengths that causal texts are cut to: each is compiled, and planned by the GPU, once.
_LENGTHS = (8, 16, 32, 48, 77)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class TorchClipEncoder:
    """Both towers of a stored model. Safe to call from several threads at once."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        precision: str,
        device: str = "cuda:0",
        threads: int = 1,
        *,
        compiled: bool = False,
        held: IO[bytes] | None = None,
    ) -> None:
        """Load the weights onto the device, in half precision where it computes so.

        Raises:
            BrokenModel: the weights were not kept, or are damaged.
        """
        if WEIGHTS not in manifest.files:
            raise BrokenModel(
                f"{manifest.id} has no weights for torch: bring it again with --keep-weights"
            )
        self._held = held
        self.spec: EncoderSpec = manifest.spec(precision)
        self.device: str = device
        self.max_batch: int = 128
        self._tokenize = ClipTokenizer(folder / TOKENIZER, manifest.text)
        self._manifest = manifest
        self._type = _TYPES.get(precision)
        self._lock = threading.Lock()
        if device == "cpu":
            torch.set_num_threads(threads)
        loaded = openclip.load(Architecture(manifest.name, manifest.pretrained), folder)
        preprocessing = towers.preprocessing_of(loaded.model)
        # torch.compile and CUDA's own graphs want whole modules, so both towers stay as exported.
        text, image = (
            towers.text_tower(loaded.model),
            towers.image_tower(loaded.model, preprocessing),
        )
        head = cells_head(loaded.model)
        self._cells: Callable[[torch.Tensor], torch.Tensor] | None = None
        if head is not None:
            self._cells = CellsTower(TokensTower(image, towers.visual_of(image)), head).to(device)
        self._text: Callable[[torch.Tensor], torch.Tensor] = text.to(device)
        self._image: Callable[[torch.Tensor], torch.Tensor] = image.to(device)
        if compiled:
            self._text, self._image = (
                torch.compile(tower, dynamic=False, mode="reduce-overhead")
                for tower in (self._text, self._image)
            )

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed `n` texts; returns float32 [n, dim], every row of length 1."""
        parts = [
            self._run(self._text, self._padded(self._tokenize(texts[start : start + _ROWS[-1]])))
            for start in range(0, len(texts), _ROWS[-1])
        ]
        return self._joined(parts)

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
        parts = [
            self._run(self._image, pixels[start : start + _ROWS[-1]])
            for start in range(0, len(pixels), _ROWS[-1])
        ]
        return self._joined(parts)

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """What is seen where: uint8 [size, size, 3] to unit vectors float32 [rows, columns, dim],
        one for each patch of the ViT.

        Raises:
            NotExplainable: it is no ViT.
        """
        if self._cells is None:
            raise NotExplainable(
                encoder=self.spec.name, reason="it is no ViT of OpenCLIP's own kind"
            )
        tensor = torch.from_numpy(np.ascontiguousarray(picture[None]))
        with self._lock, torch.inference_mode(), self._autocast():
            cells: FloatArray = self._cells(tensor.to(self.device))[0].float().cpu().numpy()
            return cells

    def warm_up(self) -> None:
        """Run the shapes that will come: each is compiled once."""
        size = self.spec.pixels.size
        text = "a photo of a dog "
        for repeats in (1, 3, 6, 12, 30):
            self.embed_texts([text * repeats])
        for count in _ROWS[1:] if self.device != "cpu" else ():
            self.embed_texts([text] * count)
            self.embed_images(np.zeros((count, size, size, 3), np.uint8))
        self.embed_images(np.zeros((1, size, size, 3), np.uint8))

    def _padded(self, ids: Any) -> Any:
        """Cut texts padded to one of a few lengths: exact, as nothing behind the end matters."""
        if not self._manifest.text.causal:
            return ids
        limit = self._manifest.text.context_length
        length = min((n for n in _LENGTHS if n >= ids.shape[1]), default=limit)
        missing = min(length, limit) - ids.shape[1]
        return np.pad(ids, ((0, 0), (0, missing)), constant_values=self._manifest.text.pad_id)

    def _run(self, tower: Callable[[torch.Tensor], torch.Tensor], rows: Any) -> FloatArray:
        count = len(rows)
        fitted = next(n for n in _ROWS if n >= count)
        if fitted > count and self.device != "cpu":
            rows = np.concatenate([rows, np.repeat(rows[-1:], fitted - count, axis=0)])
        tensor = torch.from_numpy(np.ascontiguousarray(rows))
        # Two towers may share a GPU; one run at a time keeps its memory bounded.
        with self._lock, torch.inference_mode(), self._autocast():
            if self.device != "cpu":
                tensor = tensor.pin_memory().to(self.device, non_blocking=True)
            vectors = tower(tensor)[:count].float()
            unit = torch.nn.functional.normalize(vectors, dim=-1)
            made: FloatArray = unit.cpu().numpy()
            return made

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._type is None:
            return nullcontext()
        half: AbstractContextManager[Any] = torch.autocast(
            self.device.partition(":")[0], dtype=self._type
        )
        return half

    def _joined(self, parts: list[FloatArray]) -> FloatArray:
        if not parts:
            return np.zeros((0, self.spec.dim), np.float32)
        return np.concatenate(parts)
