"""Points as a Qdrant server has them, and back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import models

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
    """A point with its vector [dim], and with its words where it has some."""
    numbers: Any = vector.tolist()
    return models.PointStruct(
        id=str(point.id),
        vector=numbers if point.words is None else {DENSE: numbers, WORDS: sparse_of(point.words)},
        payload=point.payload,
    )


def sparse_of(words: SparseVector) -> models.SparseVector:
    """Weights of words."""
    return models.SparseVector(indices=list(words.indices), values=list(words.values))


def hit_of(point: Any, query: IndexQuery) -> ScoredPoint:
    """A hit, its score the cosine to the query."""
    payload = point.payload or {}
    uuid = UUID(str(point.id))
    if query.words is None and not query.with_vectors:
        return ScoredPoint(uuid, float(point.score), payload)
    vector = _dense(point.vector)
    # What a fusion scores is a rank; the cosine is what callers know.
    score = float(point.score) if query.words is None else float(vector @ _unit(query.vector))
    return ScoredPoint(uuid, score, payload, vector if query.with_vectors else None)


def record_of(record: Any) -> IndexRecord:
    """A stored point."""
    words = record.vector.get(WORDS) if isinstance(record.vector, dict) else None
    return IndexRecord(
        UUID(str(record.id)),
        _dense(record.vector),
        record.payload or {},
        None if words is None else SparseVector(tuple(words.indices), tuple(words.values)),
    )


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def _dense(vectors: Any) -> Vector:
    return np.asarray(vectors[DENSE] if isinstance(vectors, dict) else vectors, dtype=np.float32)
