"""Encoders that give their memory back while nobody needs them, or take it only when one does."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import structlog

from embedding_service.encoders.base import (
    WHOLE_ONLY,
    CellEncoder,
    Encoder,
    EncoderSpec,
    FloatArray,
    MultiVectorEncoder,
    PixelArray,
    SimilarityMap,
)
from embedding_service.memory import give_back_freed
from embedding_service.models.problems import ModelProblem
from viewfinder.errors import NotExplainable, ServiceUnavailable

log = structlog.get_logger()

Kind = TypeVar("Kind", bound=Encoder | MultiVectorEncoder)


class _OnDemand(Generic[Kind]):
    """Makes an encoder when it is needed, one however many callers wait, and drops it when none
    called for `idle_s` seconds; 0: never. Safe to call from several threads."""

    spec: EncoderSpec

    def __init__(self, make: Callable[[], Kind], idle_s: float) -> None:
        self._make = make
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._running = 0
        self._last_used = time.monotonic()
        self._encoder: Kind | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory now."""
        return self._encoder is not None

    @contextmanager
    def _loaded(self) -> Iterator[Kind]:
        with self._lock:
            encoder = self._encoder
            if encoder is None:
                encoder = self._encoder = self._make()
                log.info("encoder loaded", encoder=self.spec.name, device=encoder.device)
                self._watch_later(self._idle_s)
            self._running += 1
        try:
            yield encoder
        finally:
            with self._lock:
                self._running -= 1
                self._last_used = time.monotonic()

    def _watch_later(self, seconds: float) -> None:
        if not self._idle_s:
            return
        timer = threading.Timer(seconds, self._watch)
        timer.daemon = True
        timer.start()

    def _watch(self) -> None:
        with self._lock:
            left_s = self._last_used + self._idle_s - time.monotonic()
            if self._running or left_s > 0:
                self._watch_later(left_s if left_s > 0 else self._idle_s)
                return
            self._encoder = None
        log.info("encoder unloaded", encoder=self.spec.name, idle_s=self._idle_s)
        gc.collect()
        give_back_freed()


class IdleUnloading(_OnDemand[Encoder]):
    """An encoder that is there from the start, and comes back when it is needed again."""

    def __init__(self, make: Callable[[], Encoder], idle_s: float) -> None:
        super().__init__(make, idle_s)
        encoder = make()
        self.spec: EncoderSpec = encoder.spec
        self.max_batch: int = encoder.max_batch
        self.device: str = encoder.device
        self._encoder = encoder
        self._watch_later(idle_s)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """As the encoder's own."""
        with self._loaded() as encoder:
            return encoder.embed_texts(texts)

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        """As the encoder's own."""
        with self._loaded() as encoder:
            return encoder.embed_images(pixels)

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """As the encoder's own, where it has that.

        Raises:
            NotExplainable: it only gives vectors of whole pictures.
        """
        with self._loaded() as encoder:
            if not isinstance(encoder, CellEncoder):
                raise NotExplainable(encoder=self.spec.name, reason=WHOLE_ONLY)
            return encoder.embed_cells(picture)

    def warm_up(self) -> None:
        """As the encoder's own."""
        with self._loaded() as encoder:
            encoder.warm_up()


class DocumentOnDemand(_OnDemand[MultiVectorEncoder]):
    """A document model: gigabytes, so that it is loaded by the first call. What it is and where it
    will run is known before."""

    def __init__(
        self,
        make: Callable[[], MultiVectorEncoder],
        idle_s: float,
        spec: EncoderSpec,
        max_batch: int,
        device: str,
    ) -> None:
        super().__init__(make, idle_s)
        self.spec: EncoderSpec = spec
        self.max_batch: int = max_batch
        self.device: str = device

    def embed_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        """As the encoder's own."""
        with self._at_hand() as encoder:
            return encoder.embed_texts(texts)

    def embed_images(self, pixels: Sequence[PixelArray]) -> list[FloatArray]:
        """As the encoder's own."""
        with self._at_hand() as encoder:
            return encoder.embed_images(pixels)

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        """As the encoder's own."""
        with self._at_hand() as encoder:
            return encoder.similarity_map(pixels, text)

    def warm_up(self) -> None:
        """As the encoder's own."""
        with self._at_hand() as encoder:
            encoder.warm_up()

    @contextmanager
    def _at_hand(self) -> Iterator[MultiVectorEncoder]:
        try:
            with self._loaded() as encoder:
                yield encoder
        except ModelProblem as problem:  # files that vanished, or were damaged, since the start
            log.warning("document model cannot be loaded", model=self.spec.name, why=str(problem))
            raise ServiceUnavailable(f"document model {self.spec.name}") from problem
