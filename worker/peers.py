"""The worker's view of the other services: plain methods over their stubs, each with a deadline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import EncoderMismatch
from viewfinder.pixel_spec_wire import pixel_spec_of
from viewfinder.pixels import PixelSpec
from viewfinder.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)

QUICK_S = 10.0
EMBED_S = 60.0
UPSERT_S = 30.0


class Catalog(Protocol):
    """Where work is claimed and reported."""

    def claim(self, claim_id: str, limit: int, lease_s: int) -> catalog_pb2.ClaimWorkResponse:
        """The rows of this claim; the same ones when it is repeated."""

    def report(
        self,
        claim_id: str,
        results: Sequence[catalog_pb2.WorkResult],
        switched: common_pb2.EncoderSpec | None = None,
    ) -> list[str]:
        """Report outcomes, and to which encoder the index was switched.

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


class Embedder(Protocol):
    """Pixels in, vectors out."""

    def encoder(self, name: str) -> Encoder:
        """The encoder of this name; empty: the one of embedding_service's settings."""

    def embed(self, pixels: NDArray[np.uint8], encoder: Encoder) -> NDArray[np.float32]:
        """uint8 [n, size, size, 3] -> float32 [n, dim], L2-normalised.

        Raises:
            EncoderMismatch: another encoder than `encoder` answered.
        """


class Index(Protocol):
    """The vector index."""

    def upsert(
        self,
        encoder: Encoder,
        points: Sequence[search_pb2.Point],
        vectors: NDArray[np.float32],
        beside: bool,
    ) -> None:
        """Durable when it returns; row i of `vectors` [n, dim] belongs to points[i].

        `beside`: into the collection of this encoder, which need not be the one that answers.
        """

    def encoder_name(self) -> str:
        """Of the encoder whose vectors answer; empty while the index is new."""

    def switch(self, spec: common_pb2.EncoderSpec) -> None:
        """Let this encoder's vectors answer."""

    def set_payload(self, points: Sequence[search_pb2.Point]) -> None:
        """Replace the payload of points that exist."""

    def delete(self, ids: Iterable[str]) -> None:
        """Remove points; unknown ids are passed over."""


class Renditions(Protocol):
    """The cache of thumbnails."""

    def drop(self, ids: Iterable[str]) -> None:
        """Forget all renditions of these pictures."""


class RpcCatalog:
    """`Catalog` served by upload_service."""

    def __init__(self, stub: catalog_pb2_grpc.CatalogServiceStub) -> None:
        self._stub = stub

    def claim(self, claim_id: str, limit: int, lease_s: int) -> catalog_pb2.ClaimWorkResponse:
        """See `Catalog`."""
        return self._stub.ClaimWork(
            catalog_pb2.ClaimWorkRequest(claim_id=claim_id, limit=limit, lease_s=lease_s),
            timeout=QUICK_S,
        )

    def report(
        self,
        claim_id: str,
        results: Sequence[catalog_pb2.WorkResult],
        switched: common_pb2.EncoderSpec | None = None,
    ) -> list[str]:
        """See `Catalog`."""
        request = catalog_pb2.ReportWorkRequest(
            claim_id=claim_id, results=results, switched=switched
        )
        answer = self._stub.ReportWork(request, timeout=QUICK_S)
        return list(answer.gone)


class RpcEmbedder:
    """`Embedder` served by embedding_service."""

    def __init__(self, stub: embedding_pb2_grpc.EmbeddingServiceStub) -> None:
        self._stub = stub

    def encoder(self, name: str) -> Encoder:
        """See `Embedder`."""
        request = embedding_pb2.GetSpecRequest(encoder=name)
        # It may have to load it first.
        answer = self._stub.GetSpec(request, timeout=EMBED_S)
        return Encoder(spec=answer.spec, max_batch=max(1, answer.max_batch))

    def embed(self, pixels: NDArray[np.uint8], encoder: Encoder) -> NDArray[np.float32]:
        """See `Embedder`."""
        count, height, width, _ = pixels.shape
        answer = self._stub.EmbedImages(
            embedding_pb2.EmbedImagesRequest(
                pixels=common_pb2.Pixels(
                    data=pixels.tobytes(), count=count, height=height, width=width
                ),
                encoder=encoder.spec.name,
            ),
            timeout=EMBED_S,
        )
        if answer.spec.revision != encoder.spec.revision:
            raise EncoderMismatch(
                index_encoder=key_of(encoder.spec), offered_encoder=key_of(answer.spec)
            )
        vectors = np.frombuffer(answer.vectors.data, dtype="<f4")
        return vectors.reshape(answer.vectors.count, answer.vectors.dim)


class RpcIndex:
    """`Index` served by search_service."""

    def __init__(self, stub: search_pb2_grpc.SearchServiceStub) -> None:
        self._stub = stub

    def upsert(
        self,
        encoder: Encoder,
        points: Sequence[search_pb2.Point],
        vectors: NDArray[np.float32],
        beside: bool,
    ) -> None:
        """See `Index`."""
        count, dim = vectors.shape
        self._stub.Upsert(
            search_pb2.UpsertRequest(
                spec=encoder.spec,
                points=points,
                vectors=common_pb2.Vectors(
                    data=vectors.astype("<f4", copy=False).tobytes(), count=count, dim=dim
                ),
                beside=beside,
            ),
            timeout=UPSERT_S,
        )

    def encoder_name(self) -> str:
        """See `Index`."""
        request = search_pb2.GetCollectionRequest()
        return self._stub.GetCollection(request, timeout=QUICK_S).spec.name

    def switch(self, spec: common_pb2.EncoderSpec) -> None:
        """See `Index`."""
        self._stub.SwitchCollection(search_pb2.SwitchCollectionRequest(spec=spec), timeout=UPSERT_S)

    def set_payload(self, points: Sequence[search_pb2.Point]) -> None:
        """See `Index`."""
        self._stub.SetPayload(search_pb2.SetPayloadRequest(points=points), timeout=UPSERT_S)

    def delete(self, ids: Iterable[str]) -> None:
        """See `Index`."""
        self._stub.DeletePoints(search_pb2.DeletePointsRequest(ids=ids), timeout=UPSERT_S)


class RpcRenditions:
    """`Renditions` served by image_service."""

    def __init__(self, stub: image_pb2_grpc.ImageServiceStub) -> None:
        self._stub = stub

    def drop(self, ids: Iterable[str]) -> None:
        """See `Renditions`."""
        self._stub.DropRenditions(image_pb2.DropRenditionsRequest(image_ids=ids), timeout=QUICK_S)


def key_of(spec: common_pb2.EncoderSpec) -> str:
    """`name@revision`."""
    return f"{spec.name}@{spec.revision}"
