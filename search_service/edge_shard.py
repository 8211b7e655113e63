"""One Qdrant Edge shard in a folder: blocking calls, for one thread at a time.

Durability: `update` appends to a write-ahead log before it answers (that survives kill -9), `sync`
fsyncs that log (that survives loss of power) without holding the GIL. The engine's own `flush`
holds the GIL for some hundred fsyncs, so it runs only after many points and on closing; opening
replays what the log has beyond the last flush.

The edge_*.py modules, and words.py, are the only ones that know this engine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from search_service.durable_file import sync_log, sync_path
from search_service.edge_config import WORDS, shard_config
from search_service.edge_filter import edge_filter
from search_service.edge_points import (
    first_stage,
    hit_of,
    named_vectors,
    nearest_to,
    record_of,
    sparse_vector,
    vectors_with,
)
from search_service.edge_read_ahead import read_ahead
from search_service.engine_options import EngineOptions
from search_service.filters import Condition
from search_service.late import PAGES, late_options
from search_service.metadata_keys import missing_indexes
from search_service.vector_index import (
    FacetCount,
    IndexFault,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    IndexUnusable,
    Payload,
    ScoredPoint,
    Vectors,
)
from viewfinder.errors import StorageFull

_SCHEMA = {
    "text": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "time": edge.PayloadSchemaType.Datetime,
    "place": edge.PayloadSchemaType.Geo,
    "number": edge.PayloadSchemaType.Float,
    "flag": edge.PayloadSchemaType.Bool,
}
_DISK_TROUBLE = ("os error 28", "os error 30", "os error 13", "os error 122", "no space left")
_CHECKPOINT_POINTS = 8192


class EdgeShard:
    """Opens the shard in `folder`, or stands for one that is still to be created.

    `for_building`: `optimize` makes a graph whatever the size; else it never does.

    Raises:
        IndexUnusable: the folder is in use, damaged, or not an index.
    """

    def __init__(
        self,
        folder: Path,
        options: EngineOptions,
        *,
        for_building: bool = False,
    ) -> None:
        self._folder = folder
        self._options = options
        self._for_building = for_building
        self._shard: Any = None
        self._dim: int | None = None
        self._multi = False
        self._unflushed_points = 0
        if (folder / "edge_config.json").exists():
            self._load()
        elif folder.exists() and any(folder.iterdir()):
            shutil.rmtree(folder)  # `create` was interrupted: nothing was acknowledged yet

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._folder

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""
        return self._dim

    @property
    def multi(self) -> bool:
        """Whether it is for matrices of vectors."""
        return self._multi

    def create(self, dim: int, *, multi: bool = False) -> None:
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
            shard = edge.EdgeShard.create(str(fresh), self._config(dim, multi))
            self._index_keys(shard)
            shard.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            fresh.rename(self._folder)
            sync_path(self._folder.parent)
            self._shard = edge.EdgeShard.load(str(self._folder))
        self._dim, self._multi = dim, multi
        self._unflushed_points = 0

    def upsert(self, points: Sequence[IndexPoint], vectors: Vectors) -> None:
        """Insert or replace; vectors[i] belongs to points[i]."""
        self._write(
            edge.UpdateOperation.upsert_points(
                [
                    edge.Point(
                        id=point.id,
                        vector=named_vectors(vector, point.words),
                        payload=point.payload,
                    )
                    for point, vector in zip(points, vectors, strict=True)
                ]
            ),
            self._weight(vectors),
        )

    def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace payload and words of those that exist; how many did."""
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
        words = [
            edge.PointVectors(id=point.id, vector={WORDS: sparse_vector(point.words)})
            for point in points
            if point.id in there and point.words is not None and not self._multi
        ]
        if words:
            self._write(edge.UpdateOperation.update_vectors(words), len(words))
        return len(there)

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""
        if self._shard is not None and ids:
            self._write(edge.UpdateOperation.delete_points(list(ids)), len(ids), frees_space=True)

    def sync(self) -> None:
        """Return once all that was written survives loss of power. Callable from any thread."""
        sync_log(self._folder)

    def flush(self) -> None:
        """Write everything to the segments, so that the folder can be copied."""
        if self._shard is not None:
            with self._engine_call():
                self._shard.flush()
            self._unflushed_points = 0

    def optimize(self) -> None:
        """Build the graph and the quantised vectors. Holds the GIL to its end: minutes."""
        if self._shard is not None:
            self._require_space()
            with self._engine_call():
                self._shard.optimize()
                self._shard.flush()

    def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """The nearest that meet all conditions, best first."""
        if self._shard is None:
            return []
        found_by = edge_filter(query.conditions, query.without)
        with self._engine_call():
            params = None if query.vector is None else self._params(query, found_by)
            stages = first_stage(query, found_by, params)
            request = edge.QueryRequest(
                prefetches=stages,
                query=nearest_to(query),
                limit=query.limit,
                filter=found_by,
                score_threshold=query.score_threshold,
                with_payload=query.with_payload,
                with_vector=vectors_with(query),
                params=params if stages is None else self._late_params(),
            )
            return [hit_of(point, query) for point in self._shard.query(request)]

    def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there."""
        if self._shard is None or not ids:
            return []
        with self._engine_call():
            records = self._shard.retrieve(list(ids), True, self._stored)
            return [record_of(record) for record in records]

    def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those that are there."""
        if self._shard is None or not ids:
            return {}
        with self._engine_call():
            records = self._shard.retrieve(list(ids), True, False)
            return {record.id: record.payload or {} for record in records}

    def facet(self, key: str, conditions: Sequence[Condition], limit: int) -> list[FacetCount]:
        """The most frequent values of an indexed key; exact."""
        if self._shard is None:
            return []
        # In a single shard the counts of exact=False are the same, after deletions too, and come
        # 100 times faster; exact=True only adds values that are gone, with a count of 0.
        request = edge.FacetRequest(
            key=key, limit=limit, exact=False, filter=edge_filter(conditions)
        )
        with self._engine_call():
            return [FacetCount(hit.value, hit.count) for hit in self._shard.facet(request).hits]

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions; exact."""
        if self._shard is None:
            return 0
        request = edge.CountRequest(filter=edge_filter(conditions), exact=True)
        with self._engine_call():
            if not conditions:  # counting a million one by one takes 100 ms
                return int(self._shard.info().points_count)
            return int(self._shard.count(request))

    def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id, and where to go on; None at the end."""
        if self._shard is None:
            return [], None
        request = edge.ScrollRequest(
            limit=limit, offset=after, with_payload=True, with_vector=self._stored
        )
        with self._engine_call():
            records, following = self._shard.scroll(request)
        return [record_of(record) for record in records], following

    def close(self) -> None:
        """Write everything down and let go of the files."""
        if self._shard is not None:
            with self._engine_call():
                self._shard.flush()
                self._shard.close()
            self._shard = None

    def _weight(self, vectors: Vectors) -> int:
        """As much to write as so many pictures."""
        return sum(map(len, vectors)) // 4 if self._multi else len(vectors)

    @property
    def _stored(self) -> Any:
        """What a record has of vectors; means are made anew."""
        return [PAGES] if self._multi else True

    def _config(self, dim: int, multi: bool) -> Any:
        return shard_config(dim, self._options, for_building=self._for_building, multi=multi)

    def _late_params(self) -> Any:
        if self._options.late_quantisation == "none":
            return None
        return edge.SearchParams(quantization=_rescoring(self._options))

    def _params(self, query: IndexQuery, found_by: Any) -> Any:
        if query.exact:
            return edge.SearchParams(exact=True)
        options = late_options(self._options) if self._multi else self._options
        options = options.suiting(query.ef, query.limit, query.best)
        int8 = _rescoring(options) if options.int8 and not self._multi else None
        if not query.conditions:
            return edge.SearchParams(hnsw_ef=options.ef, quantization=int8)
        # The estimate costs 0.05 ms.
        matches = max(1, self._shard.count(edge.CountRequest(filter=found_by, exact=False)))
        ef = options.ef_among(matches, self._shard.info().points_count)
        if ef is None:
            # The graph was made with the same threshold, so the engine compares all: by int8, then
            # the best again in full. The same hits as with exact=True in half the time.
            ef = options.ef
        return edge.SearchParams(hnsw_ef=ef, quantization=int8)

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
            stored = json.loads((self._folder / "edge_config.json").read_text())
            multi = PAGES in stored["vectors"]
            dim = int(stored["vectors"][PAGES if multi else ""]["size"])
            with self._engine_call():
                if not multi and WORDS not in (stored.get("sparse_vectors") or {}):
                    _add_words(self._folder)
                shard = edge.EdgeShard.load(str(self._folder), self._config(dim, multi))
                if shard.info().points_count != shard.count(edge.CountRequest(exact=True)):
                    shard.optimize()
                self._index_keys(shard)
                self._shard = shard
            if not self._for_building:
                read_ahead(self._folder)
            self._dim, self._multi = dim, multi
        except (IndexFault, OSError, ValueError, KeyError, TypeError) as error:
            raise IndexUnusable(_why_unusable(self._folder, error)) from error

    def _index_keys(self, shard: Any) -> None:
        """Filters on these are quick; an index of before a key was known gets what it lacks."""
        present = {path: told.data_type for path, told in shard.info().payload_schema.items()}
        missing = missing_indexes(self._options.indexed_metadata, present, _SCHEMA)
        for path, kind in missing.items():
            shard.update(edge.UpdateOperation.create_field_index(path, kind))

    def _require_space(self) -> None:
        place = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        free = shutil.disk_usage(place).free
        least = self._options.min_free_bytes
        if free < least:
            raise StorageFull(
                where=str(self._folder),
                reason=f"{free >> 20} MiB are free, {least >> 20} MiB are kept free",
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


def _rescoring(options: EngineOptions) -> Any:
    return edge.QuantizationSearchParams(rescore=True, oversampling=options.oversampling)


def _add_words(folder: Path) -> None:
    """An index of before words were kept gets a place for them."""
    shard = edge.EdgeShard.load(str(folder))
    shard.update(edge.UpdateOperation.create_sparse_vector(WORDS, edge.Modifier.Idf))
    shard.flush()
    shard.close()


def _why_unusable(folder: Path, error: BaseException) -> str:
    if "WouldBlock" in str(error):
        return f"the index in {folder} is in use by another process"
    return (
        f"the index in {folder} cannot be read ({error});"
        " restore it from a backup, or move it away to start with an empty one"
    )
