"""Points as Qdrant Edge has them, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import qdrant_edge as edge

from search_service.edge_config import WORDS
from search_service.late import PAGES, POOLED, RERANKED, pool
from search_service.vector_index import (
    IndexQuery,
    IndexRecord,
    ScoredPoint,
    SparseVector,
    Vector,
)


def named_vectors(vector: Vector, words: SparseVector | None) -> Any:
    """What a point carries: [dim] alone, or with the words beside it; or [rows, dim] and means."""
    if vector.ndim == 2:
        return {PAGES: vector, POOLED: pool(vector)}
    return vector if words is None else {"": vector, WORDS: sparse_vector(words)}


def sparse_vector(words: SparseVector | None) -> Any:
    """Empty where there are no words."""
    if words is None:
        return edge.SparseVector([], [])
    return edge.SparseVector(list(words.indices), list(words.values))


def nearest_to(query: IndexQuery) -> Any:
    """What the query looks for: the nearest vectors, or the texts that have most of its words."""
    if query.vector is None:
        return edge.Query.Nearest(sparse_vector(query.words), using=WORDS)
    if query.vector.ndim == 2:
        return edge.Query.Nearest(query.vector, using=PAGES)  # type: ignore[arg-type] # as below
    return edge.Query.Nearest(query.vector)  # type: ignore[arg-type] # the stub knows lists only


def first_stage(query: IndexQuery, found_by: Any, params: Any) -> Any:
    """The pages that are worth ranking by all of their rows; None: all are ranked so."""
    if query.vector is None or query.vector.ndim != 2 or query.exact:
        return None
    nearest = edge.Query.Nearest(query.vector, using=POOLED)  # type: ignore[arg-type] # as above
    limit = max(RERANKED, query.limit)
    return [edge.Prefetch(query=nearest, limit=limit, filter=found_by, params=params)]


def vectors_with(query: IndexQuery) -> Any:
    """Which vectors of a hit are needed: its words tell which of the query's it has."""
    return [WORDS] if query.vector is None and not query.with_vectors else query.with_vectors


def hit_of(point: Any, query: IndexQuery) -> ScoredPoint:
    """A hit."""
    payload = point.payload or {}
    if query.vector is not None and not query.with_vectors:
        return ScoredPoint(point.id, float(point.score), payload)
    matched = _matched(point.vector, query.words)
    vector = _dense(point.vector) if query.with_vectors else None
    return ScoredPoint(point.id, float(point.score), payload, vector, matched)


def _matched(vectors: Any, wanted: SparseVector | None) -> tuple[int, ...]:
    words = vectors.get(WORDS) if isinstance(vectors, dict) else None
    if words is None or wanted is None:
        return ()
    asked = frozenset(wanted.indices)
    return tuple(sorted(asked.intersection(words.indices)))


def _dense(vectors: Any) -> Vector:
    if isinstance(vectors, dict):
        vectors = vectors[PAGES] if PAGES in vectors else vectors[""]
    return np.asarray(vectors, dtype=np.float32)


def record_of(record: Any) -> IndexRecord:
    """A stored point."""
    named = record.vector  # read once: it is made of lists anew each time
    words = named.get(WORDS) if isinstance(named, dict) else None
    return IndexRecord(
        record.id,
        _dense(named),
        record.payload or {},
        None if words is None else SparseVector(tuple(words.indices), tuple(words.values)),
    )
