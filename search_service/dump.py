"""All that the collections hold, read for a backup while searches and writes go on.

Each collection is scrolled by ascending id. A point that was acknowledged before the dump began and
is not removed meanwhile is in it, whatever else is written; what is written meanwhile may be.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from search_service.collection import Collection
from search_service.collections import Collections
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexPoint, IndexRecord, SparseVector, Vector, Vectors
from search_service.wire import either_of, matrices_message, spec_message, uuid_of
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import common_pb2, search_pb2

_PAGE_POINTS = 256
_PAGE_MATRICES = 8  # each is as large as hundreds of pictures
_MESSAGE_BYTES = 2 << 20  # a page of long texts becomes several messages


@dataclass(frozen=True)
class DumpedCollection:
    """The head of a collection's points; `active`: searches are answered with it."""

    spec: EncoderSpec
    active: bool
    points: int


async def dump(collections: Collections) -> AsyncIterator[DumpedCollection | list[IndexRecord]]:
    """The active collection first: its head, then its records; then the others likewise."""
    for place, collection in enumerate(await collections.in_order()):
        spec = collection.spec
        if spec is None:
            continue
        state = await collection.state()
        yield DumpedCollection(spec, place == 0, state.info.points)
        async for records in _pages(collection):
            yield records


async def _pages(collection: Collection) -> AsyncIterator[list[IndexRecord]]:
    after: UUID | None = None
    while True:
        spec = collection.spec
        at_once = _PAGE_MATRICES if spec is not None and spec.is_multi else _PAGE_POINTS
        records, after = await collection.scroll(after, at_once)
        if records:
            yield records
        if after is None:
            return


def messages_of(
    part: DumpedCollection | list[IndexRecord],
) -> list[search_pb2.DumpCollectionsResponse]:
    """A part for the wire, in messages of bounded size."""
    if isinstance(part, DumpedCollection):
        head = search_pb2.DumpedCollection(
            spec=spec_message(part.spec), active=part.active, vectors_count=part.points
        )
        return [search_pb2.DumpCollectionsResponse(collection=head)]
    messages = []
    points: list[search_pb2.StoredPoint] = []
    vectors: list[Vector] = []
    size_bytes = 0
    for record in part:
        point = _stored_point(record)
        more_bytes = point.ByteSize() + record.vector.nbytes
        if points and size_bytes + more_bytes > _MESSAGE_BYTES:
            messages.append(_points_message(points, vectors))
            points, vectors, size_bytes = [], [], 0
        points.append(point)
        vectors.append(record.vector)
        size_bytes += more_bytes
    return [*messages, _points_message(points, vectors)]


def stored_points_of(message: search_pb2.StoredPoints) -> tuple[list[IndexPoint], Vectors]:
    """Points of a dump, and the vector or matrix of each.

    Raises:
        InvalidRequest: a payload is no JSON object, an id no UUID, or the vectors are torn.
    """
    return [_index_point(point) for point in message.points], either_of(message)


def _stored_point(record: IndexRecord) -> search_pb2.StoredPoint:
    words = record.words
    return search_pb2.StoredPoint(
        id=str(record.id),
        payload_json=json.dumps(record.payload, ensure_ascii=False, allow_nan=False),
        words=None
        if words is None
        else search_pb2.StoredWords(indices=words.indices, values=words.values),
    )


def _points_message(
    points: Sequence[search_pb2.StoredPoint], vectors: Sequence[Vector]
) -> search_pb2.DumpCollectionsResponse:
    if vectors[0].ndim == 2:
        matrices = search_pb2.StoredPoints(points=points, multi=matrices_message(vectors))
        return search_pb2.DumpCollectionsResponse(points=matrices)
    rows = np.ascontiguousarray(np.stack(vectors), dtype="<f4")
    return search_pb2.DumpCollectionsResponse(
        points=search_pb2.StoredPoints(
            points=points,
            vectors=common_pb2.Vectors(data=rows.tobytes(), count=len(rows), dim=rows.shape[1]),
        )
    )


def _index_point(point: search_pb2.StoredPoint) -> IndexPoint:
    try:
        payload = json.loads(point.payload_json)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise InvalidRequest("payload_json", repr(point.payload_json)[:100], "a JSON object")
    words = None
    if point.HasField("words"):
        words = SparseVector(tuple(point.words.indices), tuple(point.words.values))
    return IndexPoint(uuid_of(point.id), payload, words)
