"""An encoder that gives its memory back while nobody needs it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from embedding_service.encoders.base import (
    WHOLE_ONLY,
    CellEncoder,
    Encoder,
    EncoderSpec,
    FloatArray,
    PixelArray,
)
from embedding_service.memory import give_back_freed
from viewfinder.errors import NotExplainable

log = structlog.get_logger()


class IdleUnloading:
    """Makes its encoder when it is needed, one however many callers wait, and drops it when none
    called for `idle_s` seconds. Safe to call from several threads."""

    def __init__(self, make: Callable[[], Encoder], idle_s: float) -> None:
        self._make = make
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._running = 0
        self._last_used = time.monotonic()
        encoder = make()
        self.spec: EncoderSpec = encoder.spec
        self.max_batch: int = encoder.max_batch
        self.device: str = encoder.device
        self._encoder: Encoder | None = encoder
        self._watch_later(idle_s)

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory now."""
        return self._encoder is not None

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

    @contextmanager
    def _loaded(self) -> Iterator[Encoder]:
        with self._lock:
            encoder = self._encoder
            if encoder is None:
                log.info("encoder loaded again", encoder=self.spec.name)
                encoder = self._encoder = self._make()
                self._watch_later(self._idle_s)
            self._running += 1
        try:
            yield encoder
        finally:
            with self._lock:
                self._running -= 1
                self._last_used = time.monotonic()

    def _watch_later(self, seconds: float) -> None:
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
