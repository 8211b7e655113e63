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
from typing import TypeVar

import numpy as np

from embedding_service.encoders.base import (
    WHOLE_ONLY,
    CellEncoder,
    Encoder,
    FloatArray,
    MultiVectorEncoder,
    PixelArray,
)
from viewfinder.errors import DeadlineExceeded, NotExplainable, Overloaded
from viewfinder.stop_words import STOP_WORDS

SERVICE = "embedding_service"
MAX_WAITING = 16
_GROUND = 0.25  # with the median, things that fill half of the picture would be cut down
_UNLIKE = 0.75  # of the common texts, those least like the text are the measure
_NOTHING = 1e-6
COMMON_TEXTS = (
    "a photo", "a person", "people", "a child", "an animal", "a building", "a street", "a car",
    "a room", "furniture", "a table", "food", "clothes", "a machine", "a tool", "a screen",
    "water", "the sky", "grass", "trees", "a mountain", "snow", "a text", "a drawing",
)  # fmt: skip

Result = TypeVar("Result")
EmbedTexts = Callable[[Sequence[str], float | None], Awaitable[FloatArray]]


@dataclass(frozen=True)
class TextMap:
    """float32 [rows, columns], 0..1, over the picture as the encoder got it; `tokens`: the same
    for each word of the text, where the encoder matches word by word."""

    values: FloatArray
    tokens: tuple[tuple[str, FloatArray], ...] = ()


class _OneByOne:
    """Work that is rarely asked for: in a thread of its own, one after the other."""

    def __init__(self) -> None:
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def run(self, work: Callable[[], Result], timeout_s: float | None) -> Result:
        """What `work` returns. Raises DeadlineExceeded, Overloaded."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded(what=SERVICE, retry_after_s=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise DeadlineExceeded(service=SERVICE) from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the thread when its work is done."""
        self._thread.shutdown()


class Explaining:
    """By an encoder of vectors, that has some for parts of pictures."""

    def __init__(self, encoder: Encoder, embed_texts: EmbedTexts) -> None:
        self._encoder = encoder
        self._embed_texts = embed_texts
        self._common: FloatArray | None = None
        self._work = _OneByOne()

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
        if self._common is None:
            self._common = await self._embed_texts(COMMON_TEXTS, timeout_s)
        vector = (await self._embed_texts([text], timeout_s))[0]
        cells = await self._work.run(lambda: encoder.embed_cells(picture), timeout_s)
        return TextMap(seen(cells, vector, self._common))

    def close(self) -> None:
        """Finish what runs."""
        self._work.close()


class WordExplaining:
    """By an encoder that matches word by word."""

    def __init__(self, encoder: MultiVectorEncoder) -> None:
        self._encoder = encoder
        self._work = _OneByOne()

    async def map_of(self, page: PixelArray, text: str, timeout_s: float | None) -> TextMap:
        """Where the words of `text` are seen on uint8 [h, w, 3]. Raises as Explaining."""
        found = await self._work.run(lambda: self._encoder.similarity_map(page, text), timeout_s)
        if not found.words:
            return TextMap(np.zeros((found.rows, found.columns), np.float32))
        return words_seen(found.words)

    def close(self) -> None:
        """Finish what runs."""
        self._work.close()


def seen(cells: FloatArray, text: FloatArray, common: FloatArray) -> FloatArray:
    """How much each of `cells` [rows, columns, dim] shows a text [dim], 0..1.

    `common` [n, dim] are texts that say nothing special: what they reach is the measure.
    """
    every = cells @ common.T  # [rows, columns, n]
    usual = every.mean(2, keepdims=True)
    above = _above_ground(cells @ text[:, None] - usual)[..., 0]
    # "an animal" is no measure for "a cat", which is one.
    unlike = np.argsort(common @ text)[: round(len(common) * _UNLIKE)]
    measure = _above_ground(every[..., unlike] - usual).max()
    return np.asarray(above / max(float(above.max()), float(measure), _NOTHING), np.float32)


def _above_ground(maps: FloatArray) -> FloatArray:
    """Of maps [rows, columns, n], each by itself: what is above its lowest quarter."""
    ground = np.quantile(maps, _GROUND, axis=(0, 1), keepdims=True)
    above: FloatArray = np.maximum(maps - ground, 0)
    return above


def words_seen(words: Sequence[tuple[str, FloatArray]]) -> TextMap:
    """The maps of words [rows, columns] on one scale, and for the text the strongest of them.

    Words that say nothing ("of", "the") have a map of their own, but no say in the text's.
    """
    maps = _above_ground(np.stack([values for _, values in words], axis=2))
    telling = [i for i, (word, _) in enumerate(words) if word.casefold() not in STOP_WORDS]
    whole = maps[..., telling or slice(None)].max(axis=2)
    scale = max(float(whole.max()), _NOTHING)
    scaled = np.clip(maps / scale, 0, 1).astype(np.float32)
    tokens = tuple((word, scaled[..., i]) for i, (word, _) in enumerate(words))
    return TextMap(np.asarray(whole / scale, np.float32), tokens)
