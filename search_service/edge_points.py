"""Points as Qdrant Edge has them, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import qdrant_edge as edge

from search_service.edge_config import WORDS
from search_service.vector_index import (
    IndexQuery,
    IndexRecord,
    ScoredPoint,
    SparseVector,
    Vector,
)


def named_vectors(vector: Vector, words: SparseVector | None) -> Any:
    """What a point carries: [dim] alone, or with the words beside it."""
    return vector if words is None else {"": vector, WORDS: sparse_vector(words)}


def sparse_vector(words: SparseVector | None) -> Any:
    """Empty where there are no words."""
    if words is None:
        return edge.SparseVector([], [])
    return edge.SparseVector(list(words.indices), list(words.values))


def hit_of(point: Any, query: IndexQuery) -> ScoredPoint:
    """A hit, its score the cosine to the query."""
    payload = point.payload or {}
    if query.words is None and not query.with_vectors:
        return ScoredPoint(point.id, float(point.score), payload)
    vector = _dense(point.vector)
    # What a fusion scores is a rank; the cosine is what callers know.
    score = float(point.score) if query.words is None else float(vector @ _unit(query.vector))
    shown = vector if query.with_vectors else None
    return ScoredPoint(point.id, score, payload, shown, _matched(point.vector, query.words))


def _matched(vectors: Any, wanted: SparseVector | None) -> tuple[int, ...]:
    words = vectors.get(WORDS) if isinstance(vectors, dict) else None
    if words is None or wanted is None:
        return ()
    return tuple(sorted(set(words.indices).intersection(wanted.indices)))


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def _dense(vectors: Any) -> Vector:
    return np.asarray(vectors[""] if isinstance(vectors, dict) else vectors, dtype=np.float32)


def record_of(record: Any) -> IndexRecord:
    """A stored point."""
    words = record.vector.get(WORDS) if isinstance(record.vector, dict) else None
    return IndexRecord(
        record.id,
        _dense(record.vector),
        record.payload or {},
        None if words is None else SparseVector(tuple(words.indices), tuple(words.values)),
    )
