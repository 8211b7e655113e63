"""What an encoder is: text and pixels in, unit vectors out, and a spec that travels with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from viewfinder.pixels import PixelSpec

FloatArray = NDArray[np.float32]
PixelArray = NDArray[np.uint8]

WHOLE_ONLY = "it only gives vectors of whole pictures"


@dataclass(frozen=True)
class EncoderSpec:
    """Names a vector space: two vectors may be compared only when their specs are equal.

    `revision` is a hash of the weights and of the preprocessing, so a retrained or
    differently fed encoder never mixes with vectors of its predecessor.
    """

    name: str
    revision: str
    kind: Literal["dense", "multivector"]
    dim: int
    pixels: PixelSpec


class Encoder(Protocol):
    """Embeds texts and pictures into one space, where the dot product says how well they match."""

    @property
    def spec(self) -> EncoderSpec:
        """The vector space and how pictures must be prepared for it."""

    @property
    def max_batch(self) -> int:
        """The most rows that one call should carry."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0", ..."""

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed `n` texts; returns float32 [n, dim], every row of length 1."""

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        """Embed pictures prepared as `spec.pixels` says, uint8 [n, size, size, 3] RGB.

        Returns float32 [n, dim], every row of length 1.
        """

    def warm_up(self) -> None:
        """Run both towers once, so that the first caller does not wait for lazy set-up."""


@runtime_checkable
class CellEncoder(Protocol):
    """An encoder that can also say what is seen where in a picture."""

    def embed_cells(self, picture: PixelArray) -> FloatArray:
        """uint8 [size, size, 3] to float32 [rows, columns, dim], in the space of its vectors.

        Raises:
            NotExplainable: not with this model, and what to do about it.
        """


class MultiVectorEncoder(Protocol):
    """Embeds texts and pages into matrices of token vectors. How well two match is their MaxSim:
    the sum, over the rows of the text's, of the largest dot product with a row of the page's."""

    @property
    def spec(self) -> EncoderSpec:
        """The vector space and how pages must be prepared for it."""

    @property
    def max_batch(self) -> int:
        """The most pages that one call should carry."""

    @property
    def device(self) -> str:
        """Where it runs, or will when it is loaded: "cpu", "cuda:0", "mps"."""

    def embed_texts(self, texts: Sequence[str]) -> list[FloatArray]:
        """Embed texts; returns float32 [tokens, dim] for each, every row of length 1."""

    def embed_images(self, pixels: Sequence[PixelArray]) -> list[FloatArray]:
        """Embed pages prepared as `spec.pixels` says, each uint8 [h, w, 3] RGB of its own size.

        Returns float32 [tokens, dim] for each, every row of length 1.
        """

    def similarity_map(self, pixels: PixelArray, text: str) -> SimilarityMap:
        """Where on a page, prepared as `spec.pixels` says, the words of a text are seen."""

    def warm_up(self) -> None:
        """Load what is not loaded, and run both sides once."""


@dataclass(frozen=True)
class SimilarityMap:
    """Cosines of a text's words with the patches of a page, in reading order of both."""

    rows: int
    columns: int
    words: tuple[tuple[str, FloatArray], ...]  # a word, and its map [rows, columns]
