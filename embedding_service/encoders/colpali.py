"""Document models of the store on torch: ColQwen2, ColPali, ColSmol, through colpali-engine.

The calls are colpali-engine's own (process_queries, process_images, the model's forward), so that
MaxSim of what comes out is the processor's score_multi_vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image

from embedding_service.encoders.base import (
    EncoderSpec,
    FloatArray,
    PixelArray,
    SimilarityMap,
)
from embedding_service.encoders.page_map import TokenMatrices, similarity_map
from embedding_service.models import colpali
from embedding_service.models.document_manifest import DocumentManifest
from viewfinder.errors import Overloaded

# Full pages in one run; beyond it a GPU gains little, and padding and memory grow.
_PAGES_A_RUN = {"cuda": 8, "mps": 2, "cpu": 1}
_TEXTS_A_RUN = 32
# Memory that torch keeps for itself after a run: below this, giving it back costs more than it is
# worth (the next run has to ask the driver again).
_KEPT_BYTES = 1 << 30
_WARM_TEXT = "an invoice of March with the total in the last line"


class ColpaliEncoder:
    """Both sides of a stored model. Safe to call from several threads at once."""

    def __init__(
        self,
        folder: Path,
        manifest: DocumentManifest,
        precision: str,
        pooling: int = 1,
        device: str = "cpu",
        threads: int = 1,
        *,
        held: IO[bytes] | None = None,
    ) -> None:
        """Load the model. `pooling` clusters a page's tokens to one in so many (1: none).

        `held` marks the model as in use while the encoder lives (store.hold).

        Raises:
            ColpaliMissing: the extra is not installed.
            BrokenCheckpoint: the files cannot be read.
        """
        self.spec: EncoderSpec = manifest.spec(precision, pooling)
        self.device: str = device
        self.max_batch: int = manifest.max_batch
        self._held = held
        self._pooling = pooling
        self._kind = device.partition(":")[0]
        if self._kind == "cpu":
            torch.set_num_threads(threads)
        self._loaded = colpali.load(manifest.family, folder, precision, device)
        self._special = _special_tokens(self._loaded.processor)

    def embed_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        """Embed texts; returns float32 [tokens, dim] for each, every row of length 1."""
        made: list[FloatArray] = []
        # In transformers 5 PaliGemma sees a text both ways when it is alone, as it was trained, but
        # only backwards when shorter ones are padded beside it.
        a_run = 1 if self._loaded.family.architecture == "ColPali" else _TEXTS_A_RUN
        for start in range(0, len(texts), a_run):
            plain = [self._plain(text) for text in texts[start : start + a_run]]
            made += self._in_halves(plain, self._run_texts)
        return made

    def embed_images(self, pixels: Sequence[PixelArray]) -> list[FloatArray]:
        """Embed pages prepared as `spec.pixels` says, each uint8 [h, w, 3] RGB of its own size.

        Returns float32 [tokens, dim] for each, every row of length 1. Padding is left out; where
        pooling is asked for, tokens are clustered as colpali-engine's HierarchicalTokenPooler does.

        Raises:
            Overloaded: the device has no memory for one page now.
        """
        made: list[FloatArray | None] = [None] * len(pixels)
        for batch in self._batches(pixels):
            matrices = self._in_halves([pixels[number] for number in batch], self._run_pages)
            for number, matrix in zip(batch, matrices, strict=True):
                made[number] = matrix
        return [matrix for matrix in made if matrix is not None]

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        """Where on a page the words of a text are seen: cosines, without pooling."""
        processor, plain = self._loaded.processor, self._plain(text)
        try:
            page = self._tokens(processor.process_images([Image.fromarray(pixels)]))
            query = self._tokens(processor.process_queries(texts=[plain]))
        except torch.OutOfMemoryError as error:
            raise self._no_memory() from error
        self._give_back()
        return similarity_map(self._loaded, page, query, plain, (pixels.shape[0], pixels.shape[1]))

    def warm_up(self) -> None:
        """Run both sides once."""
        self.embed_texts([_WARM_TEXT])
        spec = self.spec.pixels
        side = spec.size or spec.multiple * max(1, round(spec.min_pixels**0.5 / spec.multiple) + 1)
        self.embed_images([np.full((side, side, 3), 255, np.uint8)])

    def _batches(self, pixels: Sequence[PixelArray]) -> Iterator[list[int]]:
        """Pages of like size together, so many that with their padding they stay in the budget."""
        spec = self.spec.pixels
        budget = _PAGES_A_RUN[self._kind] * (spec.max_pixels or spec.size**2)
        areas = [page.shape[0] * page.shape[1] for page in pixels]
        batch: list[int] = []
        for number in sorted(range(len(pixels)), key=lambda n: -areas[n]):
            if batch and areas[batch[0]] * (len(batch) + 1) > budget:
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _in_halves(self, rows: Sequence[Any], run: Any) -> list[FloatArray]:
        """All rows in one run, or in smaller ones where the device has no memory for it."""
        try:
            made: list[FloatArray] = run(rows)
        except torch.OutOfMemoryError as error:
            if len(rows) == 1:
                raise self._no_memory() from error
        else:
            self._give_back()
            return made
        # Out of the handler: its traceback holds the tensors of the run that failed.
        _empty_cache(self._kind)
        middle = len(rows) // 2
        return self._in_halves(rows[:middle], run) + self._in_halves(rows[middle:], run)

    def _run_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        batch = self._loaded.processor.process_queries(texts=list(texts))
        return [_unit(matrix) for matrix in self._tokens(batch).matrices]

    def _run_pages(self, pages: Sequence[PixelArray]) -> list[FloatArray]:
        batch = self._loaded.processor.process_images([Image.fromarray(page) for page in pages])
        matrices = self._tokens(batch).matrices
        if self._pooling > 1:
            from colpali_engine.compression.token_pooling import HierarchicalTokenPooler

            matrices = HierarchicalTokenPooler().pool_embeddings(
                matrices, pool_factor=self._pooling
            )
        return [_unit(matrix) for matrix in matrices]

    def _tokens(self, batch: Any) -> TokenMatrices:
        """Matrices [tokens, dim] on the CPU, of what is not padding, and what the model was fed."""
        fed = batch.to(self.device)
        fed.pop("labels", None)  # ColPali's processor brings some, for training
        with torch.inference_mode():
            made = self._loaded.model(**fed).float().cpu()  # [n, longest, dim]
        masks = fed["attention_mask"].bool().cpu()
        return TokenMatrices(fed, [row[mask] for row, mask in zip(made, masks, strict=True)])

    def _no_memory(self) -> Overloaded:
        _empty_cache(self._kind)
        return Overloaded(f"the memory of {self.device}", retry_after_s=10)

    def _give_back(self) -> None:
        """What torch holds beyond the model and more than a run soon needs again."""
        if _unused_bytes(self._kind) > _KEPT_BYTES:
            _empty_cache(self._kind)

    def _plain(self, text: str) -> str:
        """The text, with nothing in it that the tokenizer takes for one of its own marks."""
        for token in self._special:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def chosen_device(*, force_cpu: bool) -> str:
    """Where document models run on this machine: "cuda:0", "mps" or "cpu"."""
    if not force_cpu and torch.cuda.is_available():
        return "cuda:0"
    if not force_cpu and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def _unit(matrix: torch.Tensor) -> FloatArray:
    """float32 [tokens, dim] of length 1: half precision leaves them a little off."""
    made: FloatArray = torch.nn.functional.normalize(matrix, dim=-1).numpy()
    return made


def _special_tokens(processor: Any) -> tuple[str, ...]:
    """The tokenizer's marks that a typed text must not be able to set."""
    marks = {*processor.tokenizer.all_special_tokens, getattr(processor, "image_token", "")}
    return tuple(sorted(str(mark) for mark in marks if len(str(mark)) > 1))


def _unused_bytes(kind: str) -> int:
    """What torch holds of the device's memory and uses not."""
    if kind == "cuda":
        return int(torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    if kind == "mps":
        return int(torch.mps.driver_allocated_memory() - torch.mps.current_allocated_memory())
    return 0


def _empty_cache(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()
