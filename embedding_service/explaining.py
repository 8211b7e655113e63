"""Where in a picture a text is seen: a map of how much each part of it fits the text.

A bare cosine map says little, for some parts of a picture are near to every text. So the mean over
common texts is taken off each cell, as in CLIP Surgery (Li et al. 2023, arXiv:2304.05653), and the
map's scale is what these texts reach on the same picture: a text that is not to be seen gives a dim
map, not one that has its highest noise at full brightness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from embedding_service.encoders.base import (
    WHOLE_ONLY,
    CellEncoder,
    Encoder,
    FloatArray,
    PixelArray,
)
from viewfinder.errors import DeadlineExceeded, NotExplainable, Overloaded

SERVICE = "embedding_service"
MAX_WAITING = 16
COMMON_TEXTS = (
    "a photo", "a person", "people", "a child", "an animal", "a building", "a street", "a car",
    "a room", "furniture", "a table", "food", "clothes", "a machine", "a tool", "a screen",
    "water", "the sky", "grass", "trees", "a mountain", "snow", "a text", "a drawing",
)  # fmt: skip

EmbedTexts = Callable[[Sequence[str], float | None], Awaitable[FloatArray]]


@dataclass(frozen=True)
class TextMap:
    """float32 [rows, columns], 0..1, over the picture as the encoder got it; `tokens`: the same
    for each word of the text, where the encoder matches word by word."""

    values: FloatArray
    tokens: tuple[tuple[str, FloatArray], ...] = ()


class Explaining:
    """Explains one text and picture at a time, in a thread of its own."""

    def __init__(self, encoder: Encoder, embed_texts: EmbedTexts) -> None:
        self._encoder = encoder
        self._embed_texts = embed_texts
        self._common: FloatArray | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def map_of(self, picture: PixelArray, text: str, timeout_s: float | None) -> TextMap:
        """Where `text` is seen in uint8 [size, size, 3].

        Raises:
            NotExplainable: the encoder has no parts of pictures.
            InvalidRequest: the text is empty or too long.
            DeadlineExceeded, Overloaded: it was not done in time; too many wait.
        """
        encoder = self._encoder
        if not isinstance(encoder, CellEncoder):
            raise NotExplainable(encoder=encoder.spec.name, reason=WHOLE_ONLY)
        if self._waiting >= MAX_WAITING:
            raise Overloaded(what=SERVICE, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                if self._common is None:
                    self._common = await self._embed_texts(COMMON_TEXTS, timeout_s)
                vector = (await self._embed_texts([text], timeout_s))[0]
                cells = await asyncio.get_running_loop().run_in_executor(
                    self._thread, encoder.embed_cells, picture
                )
        except TimeoutError:
            raise DeadlineExceeded(service=SERVICE) from None
        finally:
            self._waiting -= 1
        return TextMap(seen(cells, vector, self._common))

    def close(self) -> None:
        """End the thread when its work is done."""
        self._thread.shutdown()


def seen(cells: FloatArray, text: FloatArray, common: FloatArray) -> FloatArray:
    """How much each of `cells` [rows, columns, dim] shows a text [dim], 0..1.

    `common` [n, dim] are texts that say nothing special: what they reach is the measure.
    """
    every = cells @ common.T  # [rows, columns, n]
    usual = every.mean(2)
    above = _above_median(cells @ text - usual)
    measure = np.mean([_above_median(every[..., i] - usual).max() for i in range(len(common))])
    scale = max(float(above.max()), float(measure), 1e-6)
    return np.asarray(above / scale, np.float32)


def _above_median(values: FloatArray) -> FloatArray:
    above: FloatArray = np.maximum(values - np.median(values), 0)
    return above
