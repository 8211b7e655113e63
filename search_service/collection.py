"""The one collection of this installation: index, encoder binding and epoch, for asyncio.

The engine blocks and holds the GIL, so all its calls queue for one thread: the event loop goes on
between two calls, and what one call reads (hits and their epoch) no other call can tear apart.
Acknowledging is separate: a second thread syncs the log, and writes that arrive while it does
share the next sync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import numpy as np

from search_service.encoder_binding import EncoderBinding, EncoderSpec
from search_service.epoch import Epoch
from search_service.filters import Condition
from search_service.vector_index import (
    IndexInfo,
    IndexPoint,
    IndexUnusable,
    ScoredPoint,
    Vector,
    VectorIndex,
)
from viewfinder.errors import InvalidRequest

T = TypeVar("T")


@dataclass(frozen=True)
class CollectionState:
    """What GetCollection tells."""

    info: IndexInfo
    spec: EncoderSpec | None
    epoch: int


class Collection:
    """Points of one encoder. Writes are durable when they return, and return the new epoch.

    Raises:
        IndexUnusable: index and binding do not fit together.
    """

    def __init__(self, index: VectorIndex, binding: EncoderBinding, epoch: Epoch) -> None:
        self._index = index
        self._binding = binding
        self._epoch = epoch
        self._index_thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._sync_thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._running_sync: asyncio.Task[None] | None = None
        self._next_sync: asyncio.Task[None] | None = None
        if index.count() and (binding.spec is None or binding.spec.dim != index.dim):
            raise IndexUnusable(
                f"the index holds vectors of {index.dim} numbers, but encoder.json beside it"
                f" says {binding.spec}; restore both from the same backup"
            )

    async def prepare(self, spec: EncoderSpec) -> None:
        """Make an index that has met no encoder ready for this one, ahead of its first vectors."""
        if self._binding.spec is None:
            await self._on_index_thread(self._bind_if_empty, spec)

    async def upsert(self, spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vector) -> int:
        """Insert or replace; row i of `vectors` [n, dim] belongs to points[i].

        Raises:
            EncoderMismatch: the index holds points of another encoder.
            InvalidRequest: a vector is not finite, or zero, or not of the spec's length.
            StorageFull: nothing of it was acknowledged; what was before is safe.
        """
        _check_vectors(spec, points, vectors)

        def apply() -> None:
            self._bind_if_empty(spec)
            self._binding.check(spec)
            self._index.upsert(points, vectors)

        return await self._write(apply)

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist."""
        return await self._write(lambda: self._index.set_payload(points))

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove; unknown ids are passed over."""
        return await self._write(lambda: self._index.delete(ids))

    async def search(
        self,
        spec: EncoderSpec,
        vector: Vector,
        top_k: int,
        score_threshold: float | None,
        conditions: Sequence[Condition],
    ) -> tuple[list[ScoredPoint], int]:
        """The nearest to `vector` [dim], best first, and the epoch they belong to.

        Raises:
            EncoderMismatch: the index holds points of another encoder.
        """

        def find() -> tuple[list[ScoredPoint], int]:
            if self._binding.spec != spec and self._index.count() == 0:
                return [], self._epoch.value
            self._binding.check(spec)
            hits = self._index.search(vector, top_k, score_threshold, conditions)
            return hits, self._epoch.value

        return await self._on_index_thread(find)

    async def search_similar(
        self,
        point_id: UUID,
        top_k: int,
        score_threshold: float | None,
        conditions: Sequence[Condition],
    ) -> tuple[list[ScoredPoint], int] | None:
        """The nearest to this point, itself left out; None when it is not in the index."""

        def find() -> tuple[list[ScoredPoint], int] | None:
            vector = self._index.vector_of(point_id)
            if vector is None:
                return None
            hits = self._index.search(vector, top_k, score_threshold, conditions, point_id)
            return hits, self._epoch.value

        return await self._on_index_thread(find)

    async def state(self) -> CollectionState:
        """Count, binding and epoch at one moment."""
        return await self._on_index_thread(
            lambda: CollectionState(self._index.info(), self._binding.spec, self._epoch.value)
        )

    @property
    def spec(self) -> EncoderSpec | None:
        """The encoder the index is bound to."""
        return self._binding.spec

    async def close(self) -> None:
        """Finish what is queued and close the index."""
        await self._on_index_thread(self._index.close)
        self._index_thread.shutdown()
        self._sync_thread.shutdown()

    def _bind_if_empty(self, spec: EncoderSpec) -> None:
        if self._binding.spec == spec and self._index.dim == spec.dim:
            return
        if self._index.count():
            return
        # First the index, then the binding: a crash in between leaves an empty index, made again.
        self._index.create(spec.dim)
        self._binding.bind(spec)

    async def _write(self, apply: Callable[[], object]) -> int:
        def bump_and_apply() -> int:
            # Before the write: should it fail half way, caches must still let go of the past.
            epoch = self._epoch.bump()
            apply()
            return epoch

        epoch = await self._on_index_thread(bump_and_apply)
        await self._synced()
        return epoch

    async def _synced(self) -> None:
        """Wait for a sync that begins from now on; all who wait meanwhile share it."""
        if self._next_sync is None:
            self._next_sync = asyncio.create_task(self._sync_after(self._running_sync))
        await asyncio.shield(self._next_sync)

    async def _sync_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running_sync, self._next_sync = self._next_sync, None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._sync_thread, self._index.sync)

    async def _on_index_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._index_thread, call, *args)


def _check_vectors(spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vector) -> None:
    if spec.kind != "dense":
        raise InvalidRequest("spec.kind", spec.kind, "dense: this index holds one vector a picture")
    if vectors.shape != (len(points), spec.dim):
        raise InvalidRequest(
            "vectors", f"of shape {vectors.shape}", f"one of {spec.dim} numbers for every point"
        )
    # A row with NaN or an infinity has no finite length: one pass tells all three.
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if wrong.size:
        raise InvalidRequest(
            f"vectors[{wrong[0]}]", f"of length {lengths[wrong[0]]}", "finite and not zero"
        )
