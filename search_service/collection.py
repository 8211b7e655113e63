"""One collection: an index, the encoder it is bound to, and the epoch of its writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import numpy as np

from search_service.encoder_binding import MULTI, Binding, EncoderSpec
from search_service.epoch import Counter
from search_service.filters import Condition
from search_service.late import MAX_NUMBERS, MAX_ROWS
from search_service.recall import RecallGauge, RecallState
from search_service.vector_index import (
    FacetCount,
    IndexInfo,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    Payload,
    ScoredPoint,
    Vector,
    VectorIndex,
    Vectors,
)
from viewfinder.errors import InvalidRequest

T = TypeVar("T")


@dataclass(frozen=True)
class CollectionState:
    """What GetCollection tells."""

    info: IndexInfo
    spec: EncoderSpec | None
    epoch: int
    recall: RecallState


class Collection:
    """Points of one encoder. Writes are durable when they return, and return the new epoch."""

    def __init__(
        self,
        index: VectorIndex,
        binding: Binding,
        epoch: Counter,
        recall_every_s: float = 0,
    ) -> None:
        self._index = index
        self._binding = binding
        self._epoch = epoch
        self._gauge = RecallGauge(index, recall_every_s, lambda: epoch.value)
        self._binding_lock = asyncio.Lock()
        self._upserts = 0  # under way: while there are some, the index keeps its encoder

    async def prepare(self, spec: EncoderSpec) -> None:
        """Make an index that has met no encoder ready for this one, ahead of its first vectors."""
        if self._binding.spec is None:
            async with self._binding_lock:
                await self._bind_if_empty(spec)

    async def upsert(
        self, spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vectors
    ) -> int:
        """Insert or replace; vectors[i] belongs to points[i].

        Raises:
            EncoderMismatch: the index holds points of another encoder.
            InvalidRequest: a vector is not finite, or zero, or not of the spec's length.
            StorageFull: nothing of it was acknowledged; what was before is safe.
        """
        check_vectors(spec, points, vectors)
        async with self._binding_lock:
            await self._bind_if_empty(spec)
            self._binding.check(spec)
            self._upserts += 1
        try:
            return await self._write(lambda: self._index.upsert(points, vectors))
        finally:
            self._upserts -= 1

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace payload and words of those that exist."""
        return await self._write(lambda: self._index.set_payload(points))

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove; unknown ids are passed over."""
        return await self._write(lambda: self._index.delete(ids))

    async def search(self, spec: EncoderSpec, query: IndexQuery) -> tuple[list[ScoredPoint], int]:
        """The nearest, best first, and an epoch that they are at least as new as.

        Raises:
            EncoderMismatch: the index holds points of another encoder.
        """
        epoch = self._epoch.value
        if self._binding.spec != spec and await self._index.count() == 0:
            return [], epoch
        self._binding.check(spec)
        hits = await self._index.search(query)
        self._gauge.saw(query, hits)
        return hits, epoch

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there, in any order."""
        return await self._index.retrieve(ids)

    async def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those of the ids that are there."""
        return await self._index.payloads(ids)

    async def facet(
        self, key: str, conditions: Sequence[Condition], limit: int
    ) -> list[FacetCount]:
        """The most frequent values of a payload key among what meets the conditions."""
        return await self._index.facet(key, conditions, limit)

    async def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions."""
        return await self._index.count(conditions)

    async def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id, and where to go on; None at the end."""
        return await self._index.scroll(after, limit)

    async def state(self) -> CollectionState:
        """Count, binding and epoch."""
        info = await self._index.info()
        measured = self._gauge.state(indexed=info.indexed)
        return CollectionState(info, self._binding.spec, self._epoch.value, measured)

    @property
    def epoch(self) -> int:
        """What is read from now on is at least as new as this."""
        return self._epoch.value

    @property
    def spec(self) -> EncoderSpec | None:
        """The encoder the index is bound to."""
        return self._binding.spec

    async def close(self) -> None:
        """Finish what is queued and close the index."""
        await self._gauge.close()
        await self._index.close()

    async def _bind_if_empty(self, spec: EncoderSpec) -> None:
        if self._binding.spec == spec and self._index.dim == spec.dim:
            return
        if self._upserts or await self._index.count():
            return
        # First the index, then the binding: a crash in between leaves an empty index, made again.
        await self._index.create(spec.dim, multi=spec.is_multi)
        self._binding.bind(spec)

    async def _write(self, write: Callable[[], Awaitable[object]]) -> int:
        # Before and after: should it fail half way, caches must still let go of the past, and
        # whoever looks after it was acknowledged must not be shown what was before.
        self._epoch.bump()
        await write()
        return self._epoch.bump()


def check_vectors(spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vectors) -> None:
    """Raises InvalidRequest unless there is a vector, or a matrix, of the spec for every point."""
    if spec.kind not in ("dense", MULTI):
        raise InvalidRequest("spec.kind", spec.kind, f"dense, or {MULTI} beside the active one")
    if spec.is_multi:
        _check_matrices(spec.dim, points, vectors)
        return
    if not isinstance(vectors, np.ndarray) or vectors.shape != (len(points), spec.dim):
        raise InvalidRequest(
            "vectors",
            f"of shape {vectors.shape}" if isinstance(vectors, np.ndarray) else "matrices",
            f"one of {spec.dim} numbers for every point",
        )
    wrong = _wrong_row(vectors)
    if wrong is not None:
        raise InvalidRequest(f"vectors[{wrong[0]}]", f"of length {wrong[1]}", "finite and not zero")


def _check_matrices(dim: int, points: Sequence[IndexPoint], matrices: Vectors) -> None:
    if isinstance(matrices, np.ndarray) or len(matrices) != len(points):
        raise InvalidRequest("multi", f"{len(matrices)} matrices", "one for every point")
    most = min(MAX_ROWS, MAX_NUMBERS // dim)
    for number, matrix in enumerate(matrices):
        if matrix.ndim != 2 or matrix.shape[1] != dim or not 1 <= len(matrix) <= most:
            raise InvalidRequest(
                f"multi[{number}]", f"of shape {matrix.shape}", f"1..{most} rows of {dim} numbers"
            )
        wrong = _wrong_row(matrix)
        if wrong is not None:
            raise InvalidRequest(
                f"multi[{number}]",
                f"with row {wrong[0]} of length {wrong[1]}",
                "finite and not zero",
            )


def _wrong_row(vectors: Vector) -> tuple[int, float] | None:
    # A row with NaN or an infinity has no finite length: one pass tells all three.
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    return (int(wrong[0]), float(lengths[wrong[0]])) if wrong.size else None
