"""Embeds what callers bring into matrices: the encoder for pages, behind the same lanes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedding_service.batching import BatchingLane
from embedding_service.encoders.base import EncoderSpec, FloatArray, MultiVectorEncoder, PixelArray
from embedding_service.explaining import TextMap, WordExplaining
from embedding_service.remembered_texts import RememberedTexts, checked_texts
from viewfinder.errors import InvalidRequest
from viewfinder.late_calibration import LateCalibration
from viewfinder.pictures import PixelSpec

_WAITING_TEXTS = 256
_WAITING_PAGES = 64
_MIN_CACHED_ROWS = 16  # a text's matrix has a row a token, and some of the prompt's


class MultiVectorEmbedder:
    """One multivector encoder behind two lanes, as `Embedder` is for one of vectors."""

    def __init__(
        self,
        encoder: MultiVectorEncoder,
        text_batch: int,
        text_cache_size: int,
        calibration: LateCalibration | None = None,
    ) -> None:
        """`text_cache_size` is in vectors of a dense encoder: texts here take many rows each."""
        self._encoder = encoder
        self.calibration = calibration
        self._texts = RememberedTexts(
            "page-text",
            encoder.embed_texts,
            text_batch,
            _WAITING_TEXTS,
            text_cache_size // _MIN_CACHED_ROWS,
        )
        self._pages: BatchingLane[PixelArray] = BatchingLane(
            "pages", encoder.embed_images, encoder.max_batch, _WAITING_PAGES
        )
        self._explaining = WordExplaining(encoder)

    @property
    def spec(self) -> EncoderSpec:
        """The encoder's spec."""
        return self._encoder.spec

    @property
    def device(self) -> str:
        """Where the encoder runs."""
        return self._encoder.device

    @property
    def max_batch(self) -> int:
        """The most pages a call may bring."""
        return self._encoder.max_batch

    async def embed_texts(self, texts: Sequence[str], timeout_s: float | None) -> list[FloatArray]:
        """float32 [tokens, dim] for each of 1..32 texts of 1..512 characters.

        Raises:
            InvalidRequest, DeadlineExceeded, Overloaded: see RememberedTexts.
        """
        return await self._texts.embed(texts, timeout_s)

    async def embed_images(
        self, pages: Sequence[PixelArray], timeout_s: float | None
    ) -> list[FloatArray]:
        """float32 [tokens, dim] for each page, uint8 [h, w, 3] prepared as the spec says.

        Raises:
            InvalidRequest: too many, none, or one of another size.
            DeadlineExceeded, Overloaded: see BatchingLane.
        """
        if not 1 <= len(pages) <= self.max_batch:
            raise InvalidRequest("sized", f"{len(pages)} pages", f"1..{self.max_batch} a call")
        for page in pages:
            check_page(page, self.spec.pixels)
        return await self._pages.embed(pages, timeout_s)

    async def explain(self, pages: PixelArray, text: str, timeout_s: float | None) -> TextMap:
        """Where the words of a text are seen on the one page of uint8 [1, h, w, 3].

        Raises:
            InvalidRequest: not one page, of another size, or the text is empty or too long.
            DeadlineExceeded, Overloaded: it was not done in time; too many wait.
        """
        if len(pages) != 1:
            raise InvalidRequest("pixels.count", str(len(pages)), "1")
        check_page(pages[0], self.spec.pixels)
        (wanted,) = checked_texts([text])
        return await self._explaining.map_of(pages[0], wanted, timeout_s)

    async def close(self) -> None:
        """Finish what is queued."""
        self._explaining.close()
        await self._texts.close()
        await self._pages.close()


def check_page(page: PixelArray, spec: PixelSpec) -> None:
    """Raises InvalidRequest for pixels that are not as `spec` wants them."""
    height, width = page.shape[:2]
    if spec.resize_mode != "within":
        fits, wanted = height == width == spec.size, f"uint8 ({spec.size}, {spec.size}, 3)"
    else:
        multiple = spec.multiple
        # Of a strip, where one side cannot be made smaller, there may be a little more.
        most = 2 * spec.max_pixels
        fits = not (height % multiple or width % multiple) and 0 < height * width <= most
        wanted = f"uint8, sides multiples of {multiple}, at most {spec.max_pixels} pixels"
    if page.dtype != np.uint8 or page.shape[2:] != (3,) or not fits:
        raise InvalidRequest("sized", f"{page.dtype} {page.shape}", wanted)
