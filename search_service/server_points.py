"""Points as a Qdrant server has them, and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import models

from search_service.late import PAGES, POOLED, RERANKED, pool
from search_service.vector_index import (
    IndexPoint,
    IndexQuery,
    IndexRecord,
    ScoredPoint,
    SparseVector,
    Vector,
)

DENSE = ""
"""The name of the vector that has none."""
WORDS = "words"
"""Name of the sparse vector."""


def point_of(point: IndexPoint, vector: Vector) -> models.PointStruct:
    """A point with its vector [dim], and with its words where it has some; or with [rows, dim]."""
    numbers: Any = vector.tolist()
    if vector.ndim == 2:
        numbers = {PAGES: numbers, POOLED: pool(vector).tolist()}
    elif point.words is not None:
        numbers = {DENSE: numbers, WORDS: sparse_of(point.words)}
    return models.PointStruct(id=str(point.id), vector=numbers, payload=point.payload)


def sparse_of(words: SparseVector) -> models.SparseVector:
    """Weights of words."""
    return models.SparseVector(indices=list(words.indices), values=list(words.values))


def nearest_to(query: IndexQuery) -> Any:
    """What the query looks for: the nearest vectors, or the texts that have most of its words."""
    if query.vector is not None:
        return query.vector.tolist()
    return sparse_of(query.words or SparseVector((), ()))


def place_of(query: IndexQuery) -> str | None:
    """The name of the vectors that are compared."""
    if query.vector is None:
        return WORDS
    return PAGES if query.vector.ndim == 2 else None


def first_stage(
    query: IndexQuery, found_by: models.Filter | None, params: models.SearchParams | None
) -> models.Prefetch | None:
    """The pages that are worth ranking by all of their rows; None: all are ranked so."""
    if query.vector is None or query.vector.ndim != 2 or query.exact:
        return None
    return models.Prefetch(
        query=query.vector.tolist(),
        using=POOLED,
        limit=max(RERANKED, query.limit),
        filter=found_by,
        params=params,
    )


def vectors_with(query: IndexQuery) -> Any:
    """Which vectors of a hit are needed: its words tell which of the query's it has."""
    return [WORDS] if query.vector is None and not query.with_vectors else query.with_vectors


def hit_of(point: Any, query: IndexQuery) -> ScoredPoint:
    """A hit."""
    payload = point.payload or {}
    uuid = UUID(str(point.id))
    if query.vector is not None and not query.with_vectors:
        return ScoredPoint(uuid, float(point.score), payload)
    matched = _matched(point.vector, query.words)
    vector = _dense(point.vector) if query.with_vectors else None
    return ScoredPoint(uuid, float(point.score), payload, vector, matched)


def _matched(vectors: Any, wanted: SparseVector | None) -> tuple[int, ...]:
    words = vectors.get(WORDS) if isinstance(vectors, dict) else None
    if words is None or wanted is None:
        return ()
    return tuple(sorted(set(words.indices).intersection(wanted.indices)))


def record_of(record: Any) -> IndexRecord:
    """A stored point."""
    words = record.vector.get(WORDS) if isinstance(record.vector, dict) else None
    return IndexRecord(
        UUID(str(record.id)),
        _dense(record.vector),
        record.payload or {},
        None if words is None else SparseVector(tuple(words.indices), tuple(words.values)),
    )


def _dense(vectors: Any) -> Vector:
    if isinstance(vectors, dict):
        vectors = vectors[PAGES] if PAGES in vectors else vectors[DENSE]
    return np.asarray(vectors, dtype=np.float32)
