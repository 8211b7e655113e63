"""The worker's peers over gRPC: plain methods over their stubs, each with a deadline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import EncoderMismatch
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
from worker.abilities import Abilities
from worker.peers import MULTIVECTOR, Encoder, key_of

QUICK_S = 10.0
EMBED_S = 60.0
EMBED_PAGE_S = 240.0  # billions of weights on a CPU; within the time of a job (viewfinder/queue.py)
READ_S = 75.0  # with the row's lease in mind
UPSERT_S = 30.0
_PART_BYTES = 8 << 20  # of matrices in one call; gRPC takes twice as much


class RpcCatalog:
    """`Catalog` served by upload_service."""

    def __init__(self, stub: catalog_pb2_grpc.CatalogServiceStub) -> None:
        self._stub = stub

    def claim(
        self, claim_id: str, limit: int, lease_s: int, abilities: Abilities
    ) -> catalog_pb2.ClaimWorkResponse:
        """See `Catalog`."""
        request = catalog_pb2.ClaimWorkRequest(
            claim_id=claim_id,
            limit=limit,
            lease_s=lease_s,
            reads=abilities.reads,
            document_encoder=abilities.document_encoder,
        )
        offer = abilities.describer
        if offer is not None:
            request.describes, request.describer = True, offer.name
            request.describe_limit, request.describe_lease_s = offer.room, offer.lease_s
            request.describing.extend(offer.in_hand)
        return self._stub.ClaimWork(request, timeout=QUICK_S)

    def report(
        self,
        claim_id: str,
        results: Sequence[catalog_pb2.WorkResult],
        switched: common_pb2.EncoderSpec | None = None,
        dropped: common_pb2.EncoderSpec | None = None,
    ) -> list[str]:
        """See `Catalog`."""
        request = catalog_pb2.ReportWorkRequest(
            claim_id=claim_id, results=results, switched=switched, dropped=dropped
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

    def abilities(self) -> Abilities:
        """What it can do for texts and pages."""
        request = embedding_pb2.GetSpecRequest(document=True)
        answer = self._stub.GetSpec(request, timeout=EMBED_S)
        has_encoder = answer.HasField("spec") and answer.spec.kind == MULTIVECTOR
        return Abilities(bool(answer.reader), answer.spec if has_encoder else None)

    def embed(
        self, pictures: Sequence[NDArray[np.uint8]], encoder: Encoder
    ) -> list[NDArray[np.float32]]:
        """See `Embedder`."""
        request = embedding_pb2.EmbedImagesRequest(encoder=encoder.spec.name)
        if encoder.is_multivector:
            request.sized.extend(_pixels([picture]) for picture in pictures)
        else:
            request.pixels.CopyFrom(_pixels(pictures))
        timeout_s = EMBED_PAGE_S if encoder.is_multivector else EMBED_S
        answer = self._stub.EmbedImages(request, timeout=timeout_s)
        if answer.spec.revision != encoder.spec.revision:
            raise EncoderMismatch(
                index_encoder=key_of(encoder.spec), offered_encoder=key_of(answer.spec)
            )
        if encoder.is_multivector:
            return _matrices(answer.multi)
        vectors = np.frombuffer(answer.vectors.data, dtype="<f4")
        return list(vectors.reshape(answer.vectors.count, answer.vectors.dim))

    def read(self, picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        """See `Embedder`."""
        request = embedding_pb2.ReadPictureRequest(pixels=_pixels([picture]))
        return self._stub.ReadPicture(request, timeout=READ_S).text


class RpcIndex:
    """`Index` served by search_service."""

    def __init__(self, stub: search_pb2_grpc.SearchServiceStub) -> None:
        self._stub = stub

    def upsert(
        self,
        encoder: Encoder,
        points: Sequence[search_pb2.Point],
        vectors: Sequence[NDArray[np.float32]],
        beside: bool,
    ) -> None:
        """See `Index`."""
        if not encoder.is_multivector:
            self._stub.Upsert(
                search_pb2.UpsertRequest(
                    spec=encoder.spec, points=points, vectors=_vectors(vectors), beside=beside
                ),
                timeout=UPSERT_S,
            )
            return
        for part in _parts(vectors):
            self._stub.Upsert(
                search_pb2.UpsertRequest(
                    spec=encoder.spec,
                    points=points[part],
                    multi=_multi_vectors(vectors[part]),
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

    def drop(self, spec: common_pb2.EncoderSpec) -> None:
        """See `Index`."""
        self._stub.DropCollection(search_pb2.DropCollectionRequest(spec=spec), timeout=UPSERT_S)

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


def _pixels(pictures: Sequence[NDArray[np.uint8]]) -> common_pb2.Pixels:
    height, width, _ = pictures[0].shape
    data = b"".join(picture.tobytes() for picture in pictures)
    return common_pb2.Pixels(data=data, count=len(pictures), height=height, width=width)


def _vectors(rows: Sequence[NDArray[np.float32]]) -> common_pb2.Vectors:
    stack = np.stack(rows)
    count, dim = stack.shape
    data = stack.astype("<f4", copy=False).tobytes()
    return common_pb2.Vectors(data=data, count=count, dim=dim)


def _multi_vectors(matrices: Sequence[NDArray[np.float32]]) -> common_pb2.MultiVectors:
    return common_pb2.MultiVectors(
        data=b"".join(matrix.astype("<f4", copy=False).tobytes() for matrix in matrices),
        rows=[len(matrix) for matrix in matrices],
        dim=matrices[0].shape[1],
    )


def _matrices(message: common_pb2.MultiVectors) -> list[NDArray[np.float32]]:
    rows = np.frombuffer(message.data, dtype="<f4").reshape(-1, message.dim)
    return np.split(rows, np.cumsum(message.rows)[:-1])


def _parts(matrices: Sequence[NDArray[np.float32]]) -> Iterator[slice]:
    """As many as fit into a call, at least one."""
    start, size_bytes = 0, 0
    for position, matrix in enumerate(matrices):
        if position > start and size_bytes + matrix.nbytes > _PART_BYTES:
            yield slice(start, position)
            start, size_bytes = position, 0
        size_bytes += matrix.nbytes
    yield slice(start, len(matrices))
