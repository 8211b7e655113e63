"""Bulk loading of an embedded index that no service runs on: written in large calls, built once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from search_service.edge_generations import Generation, read_generation, write_generation
from search_service.edge_shard import EdgeShard
from search_service.encoder_binding import EncoderBinding, EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.index_folder import FolderLock
from search_service.vector_index import IndexPoint, IndexUnusable, Vector


class BulkLoader:
    """Adds points to the index in `folder`, which it makes for this encoder when there is none.

    What was added is durable when the `with` block ends without an error. Vectors are float32,
    finite and not zero; that is not checked again.

    Raises:
        IndexUnusable: a service has the folder open, or it holds vectors of another encoder.
    """

    def __init__(
        self, folder: Path, spec: EncoderSpec, options: EngineOptions | None = None
    ) -> None:
        self._folder = folder / "edge"
        self._lock = FolderLock(folder)
        try:
            self._generation = read_generation(self._folder)
            self._shard = self._open(spec, EncoderBinding(folder / "encoder.json"), options)
        except BaseException:
            self._lock.release()
            raise

    def add(self, points: Sequence[IndexPoint], vectors: Vector) -> None:
        """Insert or replace; row i of `vectors` [n, dim] belongs to points[i]. Thousands a call."""
        self._shard.upsert(points, vectors)

    def count(self) -> int:
        """How many points there are."""
        return self._shard.count()

    def build(self) -> None:
        """Build the graph over all points. Blocks, with the GIL held: minutes for a million."""
        self._shard.flush()
        self._shard.optimize()
        self._generation = Generation(self._generation.number, self._shard.count())

    def __enter__(self) -> BulkLoader:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write everything down and let go."""
        try:
            self._shard.close()
            write_generation(self._folder, self._generation)
        finally:
            self._lock.release()

    def _open(
        self, spec: EncoderSpec, binding: EncoderBinding, options: EngineOptions | None
    ) -> EdgeShard:
        if binding.spec not in (None, spec):
            raise IndexUnusable(f"{self._folder} holds vectors of {binding.spec}, not of {spec}")
        folder = self._folder / str(self._generation.number)
        shard = EdgeShard(folder, options or EngineOptions(), for_building=True)
        if shard.dim is None:
            shard.create(spec.dim)
            binding.bind(spec)
        return shard
