"""The worker's view of the other services; see rpc_peers.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder.pixel_spec_wire import pixel_spec_of
from viewfinder.pixels import PixelSpec
from viewfinder.v1 import catalog_pb2, common_pb2, search_pb2
from worker.abilities import Abilities

MULTIVECTOR = "multivector"


class Catalog(Protocol):
    """Where work is claimed and reported."""

    def claim(
        self, claim_id: str, limit: int, lease_s: int, abilities: Abilities
    ) -> catalog_pb2.ClaimWorkResponse:
        """The rows of this claim; the same ones when it is repeated."""

    def report(
        self,
        claim_id: str,
        results: Sequence[catalog_pb2.WorkResult],
        switched: common_pb2.EncoderSpec | None = None,
        dropped: common_pb2.EncoderSpec | None = None,
    ) -> list[str]:
        """Report outcomes, to which encoder the index was switched, and whose vectors it dropped.

        Ids that were deleted meanwhile come back.
        """


@dataclass(frozen=True)
class Encoder:
    """The encoder that embedding_service holds at the moment."""

    spec: common_pb2.EncoderSpec
    max_batch: int

    @property
    def pixels(self) -> PixelSpec:
        """How it wants its pixels."""
        return pixel_spec_of(self.spec.pixels)

    @property
    def is_multivector(self) -> bool:
        """Whether a picture becomes a matrix rather than a vector."""
        return bool(self.spec.kind == MULTIVECTOR)


class Embedder(Protocol):
    """Pixels in, vectors or words out."""

    def encoder(self, name: str) -> Encoder:
        """The encoder of this name; empty: the one of embedding_service's settings."""

    def embed(
        self, pictures: Sequence[NDArray[np.uint8]], encoder: Encoder
    ) -> list[NDArray[np.float32]]:
        """Of each uint8 [height, width, 3], prepared as the encoder wants it: float32 [dim], or
        [rows, dim] of a multivector encoder; L2-normalised.

        Raises:
            EncoderMismatch: another encoder than `encoder` answered.
        """

    def read(self, picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        """The words that stand in uint8 [height, width, 3]."""


class Index(Protocol):
    """The vector index."""

    def upsert(
        self,
        encoder: Encoder,
        points: Sequence[search_pb2.Point],
        vectors: Sequence[NDArray[np.float32]],
        beside: bool,
    ) -> None:
        """Durable when it returns; vectors[i], as `Embedder.embed` gave it, belongs to points[i].

        `beside`: into the collection of this encoder, which need not be the one that answers.
        """

    def encoder_name(self) -> str:
        """Of the encoder whose vectors answer; empty while the index is new."""

    def switch(self, spec: common_pb2.EncoderSpec) -> None:
        """Let this encoder's vectors answer."""

    def drop(self, spec: common_pb2.EncoderSpec) -> None:
        """Remove this encoder's vectors, which answer nothing."""

    def set_payload(self, points: Sequence[search_pb2.Point]) -> None:
        """Replace the payload and the words of points that exist."""

    def delete(self, ids: Iterable[str]) -> None:
        """Remove points; unknown ids are passed over."""


class Renditions(Protocol):
    """The cache of thumbnails."""

    def drop(self, ids: Iterable[str]) -> None:
        """Forget all renditions of these pictures."""


def key_of(spec: common_pb2.EncoderSpec) -> str:
    """`name@revision`."""
    return f"{spec.name}@{spec.revision}"
