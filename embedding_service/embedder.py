"""Embeds what callers bring: checks it, remembers texts, and lets calls share runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedding_service.batching import BatchingLane
from embedding_service.encoders.base import Encoder, EncoderSpec, FloatArray, PixelArray
from embedding_service.explaining import Explaining, TextMap
from embedding_service.remembered_texts import RememberedTexts
from viewfinder.calibration import Calibration
from viewfinder.errors import InvalidRequest

_WAITING_TEXTS = 1024
_WAITING_IMAGES = 256


class Embedder:
    """One encoder behind two lanes.

    Texts and pictures run in threads of their own: a search's text never queues behind pictures,
    it only shares the processor with the one run that is under way.
    """

    def __init__(
        self,
        encoder: Encoder,
        text_batch: int,
        image_batch: int,
        text_cache_size: int,
        calibration: Calibration | None = None,
    ) -> None:
        self._encoder = encoder
        self.calibration = calibration
        self._texts = RememberedTexts(
            "text", encoder.embed_texts, text_batch, _WAITING_TEXTS, text_cache_size
        )
        self._images: BatchingLane[PixelArray] = BatchingLane(
            "images", self._embed_pictures, image_batch, _WAITING_IMAGES
        )
        self._explaining = Explaining(encoder, self.embed_texts)

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
        """The most pictures a call may bring."""
        return self._encoder.max_batch

    async def embed_texts(self, texts: Sequence[str], timeout_s: float | None) -> FloatArray:
        """float32 [n, dim] for 1..32 texts of 1..512 characters.

        Raises:
            InvalidRequest, DeadlineExceeded, Overloaded: see RememberedTexts.
        """
        return np.stack(await self._texts.embed(texts, timeout_s))

    async def embed_images(self, pixels: PixelArray, timeout_s: float | None) -> FloatArray:
        """float32 [n, dim] for uint8 [n, size, size, 3], prepared as the spec says.

        Raises:
            InvalidRequest: too many, none, or of another size.
            DeadlineExceeded, Overloaded: see BatchingLane.
        """
        if not 1 <= len(pixels) <= self.max_batch:
            raise InvalidRequest("pixels.count", str(len(pixels)), f"1..{self.max_batch} a call")
        self._check_size(pixels)
        return np.stack(await self._images.embed(pixels, timeout_s))  # type: ignore[arg-type]

    async def explain(self, pixels: PixelArray, text: str, timeout_s: float | None) -> TextMap:
        """Where a text is seen in the one picture of uint8 [1, size, size, 3].

        Raises:
            InvalidRequest: not one picture, of another size, or the text is empty or too long.
            NotExplainable, DeadlineExceeded, Overloaded: see Explaining.
        """
        if len(pixels) != 1:
            raise InvalidRequest("pixels.count", str(len(pixels)), "1")
        self._check_size(pixels)
        return await self._explaining.map_of(pixels[0], text, timeout_s)

    def _check_size(self, pixels: PixelArray) -> None:
        size = self.spec.pixels.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise InvalidRequest(
                "pixels", f"{pixels.dtype} {pixels.shape[1:]}", f"uint8 ({size}, {size}, 3)"
            )

    async def close(self) -> None:
        """Finish what is queued."""
        self._explaining.close()
        await self._texts.close()
        await self._images.close()

    def _embed_pictures(self, pictures: Sequence[PixelArray]) -> FloatArray:
        return self._encoder.embed_images(np.stack(pictures))
