"""Renditions on which is shown why a picture was found."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import astuple, dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from image_service.embedding_client import HeatEncoder
from image_service.heat_overlay import Box, overlay, placed, shrunk
from image_service.original import LocalOriginals, Original
from image_service.rendition_cache import RenditionKey
from image_service.renditions import Renditions
from viewfinder.errors import InvalidRequest
from viewfinder.pictures import PixelSpec, RenditionFormat, Source

MAX_QUERY_CHARS = 512
MAX_BOXES = 1_000
# To be raised when maps are made or drawn in another way: it is part of their ETag.
HEATMAP_VERSION = 1
_LARGEST_SIDE = 2_048


class HeatSource(Protocol):
    """Says where a text is seen; see EmbeddingClient."""

    async def encoder(self, name: str) -> HeatEncoder:
        """The encoder of this name."""
        ...

    async def heat(
        self, pixels: NDArray[np.uint8], text: str, encoder: HeatEncoder
    ) -> NDArray[np.float32]:
        """A map float32 [rows, columns], 0..1."""
        ...


class Decoder(Protocol):
    """Decodes pictures; blocking. See PixelPool."""

    def prepare(self, source: Source, spec: PixelSpec) -> NDArray[np.uint8]:
        """As an encoder wants it."""
        ...

    def pixels(self, source: Source, max_side: int) -> NDArray[np.uint8]:
        """All of it."""
        ...


@dataclass(frozen=True)
class WantedHeatmap:
    """What is to be drawn on a picture: the map of `query` (empty: none) and `boxes`."""

    query: str
    encoder: str
    boxes: tuple[Box, ...]
    width: int
    format: RenditionFormat


class Heatmaps:
    """Made when asked for, once for all who ask, and kept among the other renditions."""

    def __init__(
        self,
        renditions: Renditions,
        originals: LocalOriginals,
        decoder: Decoder,
        heat: HeatSource,
        executor: Executor,
    ) -> None:
        self._renditions = renditions
        self._originals = originals
        self._decoder = decoder
        self._heat = heat
        self._executor = executor

    async def get(
        self, image_id: UUID, original: Original, wanted: WantedHeatmap
    ) -> tuple[RenditionKey, bytes]:
        """The key, and the encoded picture with the marks.

        Raises:
            InvalidRequest: too long a query, too many boxes, or boxes outside of the picture.
            ImageNotFound, BrokenImage, ...: the original is not there or cannot be decoded.
            NotExplainable: the encoder cannot say where it sees something.
            ServiceUnavailable, DeadlineExceeded, Overloaded: embedding_service is away or busy.
        """
        _check(wanted)
        encoder = await self._heat.encoder(wanted.encoder) if wanted.query else None
        width = self._renditions.allowed_width(wanted.width)
        marks = _digest(wanted.query, encoder, wanted.boxes)
        key = RenditionKey(image_id, width, wanted.format, marks)

        async def make() -> bytes:
            return await self._make(original.source(self._originals), key, wanted, encoder)

        return key, await self._renditions.once(key, make)

    async def _make(
        self,
        source: Source,
        key: RenditionKey,
        wanted: WantedHeatmap,
        encoder: HeatEncoder | None,
    ) -> bytes:
        loop = asyncio.get_running_loop()
        side = min(_LARGEST_SIDE, 2 * key.width)  # enough for portraits, which are higher than wide
        picture = await loop.run_in_executor(self._executor, self._decoder.pixels, source, side)
        cells = None
        if encoder is not None:
            pixels = await loop.run_in_executor(
                self._executor, self._decoder.prepare, source, encoder.pixels
            )
            cells = await self._heat.heat(pixels, wanted.query, encoder)

        def draw() -> bytes:
            small = shrunk(picture, key.width)
            height, width = small.shape[:2]
            heat = None
            if cells is not None and encoder is not None:
                heat = placed(cells, encoder.pixels, width, height)
            return overlay(small, heat, wanted.boxes, wanted.format)

        return await loop.run_in_executor(self._executor, draw)


def _check(wanted: WantedHeatmap) -> None:
    if len(wanted.query) > MAX_QUERY_CHARS:
        raise InvalidRequest(
            "heatmap.query", f"{len(wanted.query)} characters", f"at most {MAX_QUERY_CHARS}"
        )
    if len(wanted.boxes) > MAX_BOXES:
        raise InvalidRequest("heatmap.boxes", f"{len(wanted.boxes)} boxes", f"at most {MAX_BOXES}")
    if not wanted.query and not wanted.boxes:
        raise InvalidRequest("heatmap", "empty", "a query, boxes or both")
    for box in wanted.boxes:
        if not (0 <= box.left <= box.right <= 1 and 0 <= box.top <= box.bottom <= 1):
            raise InvalidRequest("heatmap.boxes", str(astuple(box)), "shares of the sides, 0..1")


def _digest(query: str, encoder: HeatEncoder | None, boxes: Sequence[Box]) -> str:
    """Of all that changes what is drawn."""
    which = None if encoder is None else (encoder.name, encoder.revision)
    drawn = [HEATMAP_VERSION, query, which, [astuple(box) for box in boxes]]
    return hashlib.sha256(json.dumps(drawn).encode()).hexdigest()[:32]
