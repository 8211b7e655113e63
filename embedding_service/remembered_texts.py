"""Texts on their way to an encoder: checked, and embedded once as long as they are remembered."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from cachetools import LRUCache

from embedding_service.batching import BatchingLane
from embedding_service.encoders.base import FloatArray
from viewfinder.errors import InvalidRequest

MAX_TEXTS = 32
MAX_TEXT_CHARS = 512


class RememberedTexts:
    """A lane of texts behind a cache of the last `cache_size` of them."""

    def __init__(
        self,
        name: str,
        embed: Callable[[Sequence[str]], FloatArray | Sequence[FloatArray]],
        batch: int,
        waiting: int,
        cache_size: int,
    ) -> None:
        self._lane: BatchingLane[str] = BatchingLane(name, embed, batch, waiting)
        self._cache: LRUCache[str, FloatArray] = LRUCache(cache_size)

    async def embed(self, texts: Sequence[str], timeout_s: float | None) -> list[FloatArray]:
        """What the encoder makes of each of 1..32 texts of 1..512 characters, in their order.

        Raises:
            InvalidRequest: too many, none, or a text that is empty or too long.
            DeadlineExceeded, Overloaded: see BatchingLane.
        """
        wanted = checked_texts(texts)
        known = {text: self._cache[text] for text in wanted if text in self._cache}
        unknown = [text for text in dict.fromkeys(wanted) if text not in known]
        if unknown:
            made = await self._lane.embed(unknown, timeout_s)
            for text, one in zip(unknown, made, strict=True):
                known[text] = one
                if self._cache.maxsize:
                    self._cache[text] = one.copy()  # a view would keep its whole batch alive
        return [known[text] for text in wanted]

    async def close(self) -> None:
        """Finish what is queued."""
        await self._lane.close()


def checked_texts(texts: Sequence[str]) -> list[str]:
    """1..32 texts as they are embedded. Raises InvalidRequest for others."""
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InvalidRequest("texts", f"{len(texts)} texts", f"1..{MAX_TEXTS} a call")
    return [_normalised(text) for text in texts]


def _normalised(text: str) -> str:
    """One spelling of what reads the same: the key of the cache, and what is embedded."""
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(normal) <= MAX_TEXT_CHARS:
        raise InvalidRequest(
            "text", f"{len(normal)} characters long", f"1..{MAX_TEXT_CHARS} characters"
        )
    return normal
