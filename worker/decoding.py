"""From records to pixels, in threads; the decoding itself is done by the children of PixelPool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from viewfinder.errors import BrokenImage, ServiceUnavailable, ViewfinderError
from viewfinder.pictures import PdfPage, PixelSpec, ReadWord, Source
from worker.outcomes import ImageRecord

log = structlog.get_logger()
T = TypeVar("T")

MAX_WORDS = 8_000  # of a page; a full newspaper page has 5,000
READING_SIDE = 2_000  # pixels of the longer side that texts are read from


class Originals(Protocol):
    """The blob store, for reading."""

    def source(self, record: ImageRecord) -> Source:
        """The original, as a file where there is one, or the page of one.

        Raises:
            ViewfinderError, OSError: it cannot be read.
        """


class Pixels(Protocol):
    """The guarded decoder; see viewfinder/pixels.py. Called from several threads."""

    def prepare(self, source: Source, spec: PixelSpec, file_name: str = "") -> NDArray[np.uint8]:
        """uint8 [size, size, 3], or [height, width, 3] where the spec says so.

        Raises:
            ViewfinderError: the picture is not one.
            OSError: the path cannot be read.
        """

    def pixels(
        self, source: Source, max_side: int = READING_SIDE, file_name: str = ""
    ) -> NDArray[np.uint8]:
        """All of it, uint8 [height, width, 3]. Raises as `prepare`."""

    def render(
        self,
        source: Source,
        width: int,
        format: Literal["webp", "jpeg"],  # noqa: A002 - as in viewfinder/pixels.py
        file_name: str = "",
    ) -> bytes:
        """At most `width` pixels wide, never enlarged. Raises as `prepare`."""

    def page_text(self, page: PdfPage, file_name: str = "") -> list[ReadWord]:
        """The words of a page's text layer. Raises as `prepare`."""


@dataclass(frozen=True)
class Decoded:
    """What an encoder gets of a picture, and of a page what its text layer says."""

    pixels: NDArray[np.uint8]
    words: Sequence[ReadWord] = ()


class Decoder:
    """Decodes in `threads` threads."""

    def __init__(self, originals: Originals, pixels: Pixels, threads: int) -> None:
        self._originals = originals
        self._pixels = pixels
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="decoding")

    def prepare(
        self, record: ImageRecord, spec: PixelSpec, with_words: bool
    ) -> Future[Decoded | ViewfinderError]:
        """As the encoder wants it; `with_words`: and the text layer of a page."""
        return self._threads.submit(
            self._guarded, record, partial(self._prepared, record, spec, with_words)
        )

    def for_reading(self, record: ImageRecord) -> Future[Decoded | ViewfinderError]:
        """Large enough for its text to be read."""
        return self._threads.submit(self._guarded, record, partial(self._large, record))

    def for_showing(self, record: ImageRecord, max_side: int) -> Future[bytes | ViewfinderError]:
        """A JPEG for a vision model, no side longer than `max_side` pixels."""
        return self._threads.submit(self._guarded, record, partial(self._shown, record, max_side))

    def close(self) -> None:
        """Stop the threads; the collaborators stay open."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _guarded(self, record: ImageRecord, decode: Callable[[Source], T]) -> T | ViewfinderError:
        try:
            return decode(self._originals.source(record))
        except ViewfinderError as error:
            return error
        except FileNotFoundError:
            return BrokenImage(
                file_name=record.file_name, reason="its original is not in the store"
            )
        except OSError as error:
            return ServiceUnavailable(service="the store of originals", reason=str(error))

    def _large(self, record: ImageRecord, source: Source) -> Decoded:
        return Decoded(self._pixels.pixels(source, READING_SIDE, record.file_name))

    def _shown(self, record: ImageRecord, max_side: int, source: Source) -> bytes:
        longer = max(record.width, record.height, 1)
        width = max(1, min(record.width, max_side * record.width // longer))
        return self._pixels.render(source, width, "jpeg", record.file_name)

    def _prepared(
        self, record: ImageRecord, spec: PixelSpec, with_words: bool, source: Source
    ) -> Decoded:
        name = record.file_name
        pixels = self._pixels.prepare(source, spec, name)
        if not with_words or not isinstance(source, PdfPage):
            return Decoded(pixels)
        try:
            words = self._pixels.page_text(source, name)
        except BrokenImage as error:  # what it looks like is known, and may be read like a photo
            log.warning("a text layer is broken", image_id=record.id, reason=error.message)
            words = []
        return Decoded(pixels, words[:MAX_WORDS])
