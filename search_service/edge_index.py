"""The vector index in this process: Qdrant Edge. The only module that knows that engine.

Durability: `update` appends to a write-ahead log before it answers (that survives kill -9), `sync`
fsyncs that log (that survives loss of power) without holding the GIL. The engine's own `flush`
holds the GIL for some hundred fsyncs, so it runs only after many points and on closing; opening
replays what the log has beyond the last flush.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from search_service.filters import (
    FILTER_KEYS,
    METADATA_PREFIX,
    AnyMoment,
    AnyOf,
    Condition,
    Exists,
    FieldCondition,
    InBox,
    Nearby,
    Not,
    NumberRange,
    TimeRange,
)
from search_service.vector_index import (
    IndexFault,
    IndexInfo,
    IndexPoint,
    IndexUnusable,
    ScoredPoint,
    Vector,
)
from viewfinder.errors import StorageFull

_SCHEMA = {
    "text": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "time": edge.PayloadSchemaType.Datetime,
    "place": edge.PayloadSchemaType.Geo,
}
_DISK_TROUBLE = ("os error 28", "os error 30", "os error 13", "os error 122", "no space left")
_CHECKPOINT_POINTS = 8192


class EdgeIndex:
    """A VectorIndex in a folder of its own, which one process at a time may open.

    `min_free_bytes`: writes are refused below it. The engine writes through mapped files, and a
    mapped file that cannot grow kills the process instead of raising.

    Raises:
        IndexUnusable: the folder is in use, damaged, or not an index.
    """

    def __init__(
        self, folder: Path, search_threads: int = 1, min_free_bytes: int = 128 << 20
    ) -> None:
        self._folder = folder
        self._search_threads = search_threads
        self._min_free_bytes = min_free_bytes
        self._shard: Any = None
        self._dim: int | None = None
        self._unflushed_points = 0
        if (folder / "edge_config.json").exists():
            self._load()
        elif folder.exists() and any(folder.iterdir()):
            shutil.rmtree(folder)  # `create` was interrupted: nothing was acknowledged yet

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""
        return self._dim

    def create(self, dim: int) -> None:
        """Make an empty index for vectors of this length; what was there is lost."""
        self._require_space()
        fresh = self._folder.with_name(f"{self._folder.name}.new")
        with self._engine_call():
            if self._shard is not None:
                self._shard.close()
                self._shard = None
                self._dim = None
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.parent.mkdir(parents=True, exist_ok=True)
            config = edge.EdgeConfig(
                vectors=edge.EdgeVectorParams(size=dim, distance=edge.Distance.Cosine),
                max_search_threads=self._search_threads,
            )
            shard = edge.EdgeShard.create(str(fresh), config)
            for key, kind in FILTER_KEYS.items():
                shard.update(edge.UpdateOperation.create_field_index(key, _SCHEMA[kind]))
            shard.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            fresh.rename(self._folder)
            _sync_path(self._folder.parent)
            self._shard = edge.EdgeShard.load(str(self._folder))
        self._dim = dim
        self._unflushed_points = 0

    def upsert(self, points: Sequence[IndexPoint], vectors: Vector) -> None:
        """Insert or replace; row i of `vectors` [n, dim] belongs to points[i]."""
        self._write(
            edge.UpdateOperation.upsert_points(
                [
                    edge.Point(id=point.id, vector=vector, payload=point.payload)
                    for point, vector in zip(points, vectors, strict=True)
                ]
            ),
            len(points),
        )

    def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist; how many did."""
        if self._shard is None:
            return 0
        with self._engine_call():
            there = {
                record.id
                for record in self._shard.retrieve([point.id for point in points], False, False)
            }
        # Asked beforehand, since the engine raises on a missing id after having applied the rest.
        for point in points:
            if point.id in there:
                operation = edge.UpdateOperation.overwrite_payload([point.id], point.payload)
                self._write(operation, 1)
        return len(there)

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""
        if self._shard is not None and ids:
            self._write(edge.UpdateOperation.delete_points(list(ids)), len(ids), frees_space=True)

    def sync(self) -> None:
        """Return once all that was written survives loss of power. Callable from any thread."""
        log = self._folder / "wal"
        with self._engine_call():
            while self._dim is not None and log.exists():
                try:
                    for file in (*log.iterdir(), log):
                        _sync_path(file)
                except FileNotFoundError:
                    continue  # a full segment of the log was renamed meanwhile: look again
                return

    def search(
        self,
        vector: Vector,
        top_k: int,
        score_threshold: float | None,
        conditions: Sequence[Condition],
        without: UUID | None = None,
    ) -> list[ScoredPoint]:
        """The nearest to `vector` [dim] that meet all conditions, best first."""
        if self._shard is None:
            return []
        request = edge.QueryRequest(
            query=edge.Query.Nearest(vector),  # type: ignore[arg-type] # the stub knows lists only
            limit=top_k,
            filter=_edge_filter(conditions, without),
            score_threshold=score_threshold,
            with_payload=True,
            with_vector=False,
            params=edge.SearchParams(exact=True),
        )
        with self._engine_call():
            found = self._shard.query(request)
        return [ScoredPoint(hit.id, float(hit.score), hit.payload or {}) for hit in found]

    def vector_of(self, point_id: UUID) -> Vector | None:
        """The L2-normalised vector [dim] of this point, or None."""
        if self._shard is None:
            return None
        with self._engine_call():
            records = self._shard.retrieve([point_id], False, True)
        return np.asarray(records[0].vector, dtype=np.float32) if records else None

    def count(self) -> int:
        """How many points there are."""
        if self._shard is None:
            return 0
        with self._engine_call():
            return int(self._shard.count(edge.CountRequest(exact=True)))

    def info(self) -> IndexInfo:
        """The state of the index."""
        if self._shard is None:
            return IndexInfo(points=0, indexed=False)
        with self._engine_call():
            indexed = self._shard.info().indexed_vectors_count > 0
        return IndexInfo(points=self.count(), indexed=indexed)

    def close(self) -> None:
        """Write everything down and let go of the files."""
        if self._shard is not None:
            with self._engine_call():
                self._shard.flush()
                self._shard.close()
            self._shard = None

    def _write(self, operation: Any, points: int, frees_space: bool = False) -> None:
        if self._shard is None:
            raise IndexFault("written to before it was created")
        if not frees_space:
            self._require_space()
        with self._engine_call():
            self._shard.update(operation)
            self._unflushed_points += points
            if self._unflushed_points >= _CHECKPOINT_POINTS:
                self._shard.flush()
                self._unflushed_points = 0

    def _load(self) -> None:
        # A kill inside `optimize` leaves copies behind that the engine never looks at again.
        shutil.rmtree(self._folder / "temp_segments", ignore_errors=True)
        try:
            with self._engine_call():
                shard = edge.EdgeShard.load(str(self._folder))
                if shard.info().points_count != shard.count(edge.CountRequest(exact=True)):
                    shard.optimize()
                self._shard = shard
            self._dim = _dim_of(self._folder)
        except (IndexFault, OSError, ValueError, KeyError) as error:
            raise IndexUnusable(_why_unusable(self._folder, error)) from error

    def _require_space(self) -> None:
        place = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        free = shutil.disk_usage(place).free
        if free < self._min_free_bytes:
            raise StorageFull(
                where=str(self._folder),
                reason=f"{free >> 20} MiB are free, {self._min_free_bytes >> 20} MiB are kept free",
            )

    @contextmanager
    def _engine_call(self) -> Iterator[None]:
        """Turns what the engine raises (plain Exception, or a panic) into our errors."""
        try:
            yield
        except OSError as error:
            raise StorageFull(str(self._folder), error.strerror or str(error)) from error
        except (IndexFault, StorageFull):
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            text = " ".join(str(error).split())
            if any(sign in text.lower() for sign in _DISK_TROUBLE):
                raise StorageFull(str(self._folder), text) from error
            raise IndexFault(text) from error


def _sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dim_of(folder: Path) -> int:
    config = json.loads((folder / "edge_config.json").read_text())
    return int(config["vectors"][""]["size"])


def _why_unusable(folder: Path, error: BaseException) -> str:
    if "WouldBlock" in str(error):
        return f"the index in {folder} is in use by another process"
    return (
        f"the index in {folder} cannot be read ({error});"
        " restore it from a backup, or move it away to start with an empty one"
    )


def _edge_filter(conditions: Sequence[Condition], without: UUID | None = None) -> Any:
    """The filter that all conditions make together, or None when there is nothing to filter."""
    if not conditions and without is None:
        return None
    return edge.Filter(
        must=[_one(condition) for condition in conditions] or None,
        must_not=[edge.HasIdCondition({without})] if without is not None else None,
    )


def _one(condition: Condition) -> Any:
    if isinstance(condition, Not):
        return edge.Filter(must_not=[_one(condition.condition)])
    alternatives = [
        field for path in _paths(condition.key) for field in _field_conditions(path, condition)
    ]
    return alternatives[0] if len(alternatives) == 1 else edge.Filter(should=alternatives)


def _paths(key: str) -> list[str]:
    """Where the value may stand. `metadata.a.b` is the key "a.b", or "b" inside of "a"."""
    if not key.startswith(METADATA_PREFIX):
        return [key]
    name = key.removeprefix(METADATA_PREFIX)
    whole = f'metadata."{name}"'
    parts = name.split(".")
    if len(parts) == 1 or not all(parts):
        return [whole]
    return [whole, ".".join(["metadata", *(f'"{part}"' for part in parts)])]


def _field_conditions(path: str, condition: FieldCondition) -> list[Any]:
    """Field conditions of which one must hold."""
    match condition:
        case AnyOf(values=values):
            return _any_of(path, values)
        case AnyMoment(moments=moments):
            return [_times(path, gte=moment, lte=moment) for moment in moments]
        case NumberRange(gte=gte, gt=gt, lte=lte, lt=lt):
            bounds = edge.RangeFloat(gte=gte, gt=gt, lte=lte, lt=lt)
            return [edge.FieldCondition(key=path, range=bounds)]
        case TimeRange(gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time):
            return [_times(path, gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time)]
        case Nearby(latitude=latitude, longitude=longitude, radius_m=radius_m):
            circle = edge.GeoRadius(edge.GeoPoint(lon=longitude, lat=latitude), radius_m)
            return [edge.FieldCondition(key=path, geo_radius=circle)]
        case InBox():
            return [
                edge.FieldCondition(key=path, geo_bounding_box=_box(half))
                for half in condition.halves()
            ]
        case Exists():
            return [edge.Filter(must_not=[edge.IsEmptyCondition(path)])]


def _box(box: InBox) -> Any:
    return edge.GeoBoundingBox(
        edge.GeoPoint(lon=box.left, lat=box.top), edge.GeoPoint(lon=box.right, lat=box.bottom)
    )


def _times(path: str, **bounds: str | None) -> Any:
    return edge.FieldCondition(key=path, range=edge.RangeDateTime(**bounds))


def _any_of(path: str, values: Sequence[str | bool | float]) -> list[Any]:
    conditions = []
    texts = [value for value in values if isinstance(value, str)]
    if texts:
        conditions.append(edge.FieldCondition(key=path, match=edge.MatchAny(any=texts)))
    for value in values:
        if isinstance(value, bool):
            # Python's True would be taken for the integer 1; numpy's is no integer.
            match = edge.MatchValue(value=np.bool_(value))  # type: ignore[arg-type]
            conditions.append(edge.FieldCondition(key=path, match=match))
        elif not isinstance(value, str):
            # A range, since matching knows no fractions.
            exactly = edge.RangeFloat(gte=value, lte=value)
            conditions.append(edge.FieldCondition(key=path, range=exactly))
    return conditions
