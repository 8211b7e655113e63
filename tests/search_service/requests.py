"""Requests of search_service's clients."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np

from search_service.wire import spec_message
from tests.search_service.points import DIM, SPEC
from viewfinder.v1 import common_pb2, search_pb2


def upsert_of(
    vectors: Any, payload: dict[str, Any] | None = None, ids: list[str] | None = None
) -> search_pb2.UpsertRequest:
    """Points numbered from 1, all with this payload."""
    names = ids or [str(UUID(int=number)) for number in range(1, len(vectors) + 1)]
    points = [search_pb2.Point(id=name) for name in names]
    for point in points:
        point.payload.update(payload or {})
    data = np.asarray(vectors, dtype="<f4").tobytes()
    return search_pb2.UpsertRequest(
        spec=spec_message(SPEC),
        points=points,
        vectors=common_pb2.Vectors(data=data, count=len(vectors), dim=DIM),
    )


def ids_in(answer: search_pb2.SearchResponse) -> list[int]:
    """The numbers of the points found."""
    return [UUID(hit.id).int for hit in answer.hits]
