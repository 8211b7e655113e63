"""A VectorIndex that is a collection on a Qdrant server or cluster.

The server builds graphs by itself while it answers. A write returns once `write_consistency`
replicas have applied it and have it in their logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from qdrant_client import models

from search_service.engine_options import EngineOptions
from search_service.filters import Condition
from search_service.late import PAGES, late_options
from search_service.metadata_keys import missing_indexes
from search_service.server_connection import CollectionMissing, PointMissing, ServerConnection
from search_service.server_filter import has_id, server_filter
from search_service.server_layout import (
    PAYLOAD_SCHEMA,
    creation,
    late_params,
    search_params,
)
from search_service.server_options import ServerLayout
from search_service.server_points import (
    WORDS,
    first_stage,
    hit_of,
    nearest_to,
    place_of,
    point_of,
    record_of,
    sparse_of,
    vectors_with,
)
from search_service.vector_index import (
    FacetCount,
    IndexFault,
    IndexInfo,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    Payload,
    ScoredPoint,
    Vectors,
)

T = TypeVar("T")

_CREATE_S = 60.0
_MESSAGE_NUMBERS = 2 << 20  # float32 in one message: 8 MiB, a quarter of what the server takes


async def always() -> None:
    """Nothing to confirm."""


class ServerIndex:
    """The collection called `name`; `dim` is None as long as there is none.

    `metadata` is stored with it when it is created. `confirm` runs beside everything that is
    read, and may refuse the answer.
    """

    def __init__(
        self,
        connection: ServerConnection,
        name: str,
        options: EngineOptions | None = None,
        layout: ServerLayout | None = None,
        *,
        dim: int | None = None,
        multi: bool = False,
        metadata: dict[str, Any] | None = None,
        confirm: Callable[[], Awaitable[None]] = always,
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._name = name
        self._options = options or EngineOptions()
        self._layout = layout or ServerLayout()
        self._dim = dim
        self._multi = multi
        self._metadata = metadata
        self._confirm = confirm

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""
        return self._dim

    async def create(self, dim: int, *, multi: bool = False) -> None:
        """Make an empty index for vectors of this length; what was there is lost."""
        self._dim, self._multi = None, multi
        await self.drop()
        await self.create_if_missing(dim)

    async def create_if_missing(self, dim: int) -> None:
        """Make an empty index, or take the one that another replica of the service has made."""
        if not await self._call(self._client.collection_exists(self._name)):
            wanted = creation(dim, self._options, self._layout, multi=self._multi)
            try:
                await self._connection.call(
                    self._client.create_collection(self._name, metadata=self._metadata, **wanted),
                    _CREATE_S,
                )
            except IndexFault:
                if not await self._call(self._client.collection_exists(self._name)):
                    raise
        info = await self._call(self._client.get_collection(self._name))
        await self.add_payload_indexes(info.payload_schema)
        self._dim = dim

    async def add_payload_indexes(self, present: Mapping[str, models.PayloadIndexInfo]) -> None:
        """Those that are to be, and are not `present`."""
        kinds = {path: told.data_type for path, told in present.items()}
        missing = missing_indexes(self._options.indexed_metadata, kinds, PAYLOAD_SCHEMA)
        for path, kind in missing.items():
            await self._connection.call(
                self._client.create_payload_index(self._name, path, kind, wait=True), _CREATE_S
            )

    async def drop(self) -> None:
        """Remove the collection; one that is not there is passed over."""
        try:
            await self._connection.call(self._client.delete_collection(self._name), _CREATE_S)
        except CollectionMissing:
            return

    async def upsert(self, points: Sequence[IndexPoint], vectors: Vectors) -> None:
        """Insert or replace; vectors[i] belongs to points[i]."""
        self._require_created()
        at_once = max(1, _MESSAGE_NUMBERS // max((one.size for one in vectors), default=1))
        for start in range(0, len(points), at_once):
            some = [
                point_of(point, vector)
                for point, vector in zip(
                    points[start : start + at_once], vectors[start : start + at_once], strict=True
                )
            ]
            await self._call(self._client.upsert(self._name, some, wait=True))

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace payload and words of those that exist; how many did."""
        if self._dim is None or not points:
            return 0
        while True:
            found = await self._call(
                self._client.retrieve(
                    self._name,
                    [str(point.id) for point in points],
                    with_payload=False,
                    with_vectors=False,
                )
            )
            there = {UUID(str(record.id)) for record in found}
            if not there:
                return 0
            known = [point for point in points if point.id in there]
            changes = list(_changes(known, with_words=not self._multi))
            try:
                await self._call(self._client.batch_update_points(self._name, changes, wait=True))
            except PointMissing:
                continue  # deleted in between: asked again, it is not there
            return len(there)

    async def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""
        if self._dim is not None and ids:
            selector = models.PointIdsList(points=[str(one) for one in ids])
            await self._call(self._client.delete(self._name, selector, wait=True))

    async def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """The nearest that meet all conditions, best first."""
        found_by = server_filter(query.conditions, query.without)
        params = None if query.vector is None else await self._params(query, found_by)
        stages = first_stage(query, found_by, params)
        found = await self._read(
            self._client.query_points,
            prefetch=stages,
            query=nearest_to(query),
            using=place_of(query),
            query_filter=found_by,
            search_params=params if stages is None else late_params(self._options),
            limit=query.limit,
            score_threshold=query.score_threshold,
            with_payload=query.with_payload,
            with_vectors=vectors_with(query),
        )
        return [] if found is None else [hit_of(point, query) for point in found.points]

    async def _params(
        self, query: IndexQuery, found_by: models.Filter | None
    ) -> models.SearchParams:
        options = self._options
        if self._multi:
            options = replace(late_options(options), int8=False)  # the means are not quantised
        options = options.suiting(query.ef, query.limit, query.best)
        if self._dim is None or query.exact or not query.conditions:
            return search_params(options, exact=query.exact, among=None)
        matches, points = await asyncio.gather(
            self._call(self._client.count(self._name, found_by, exact=False)),
            self._call(self._client.count(self._name, exact=False)),
        )
        among = (max(1, matches.count), points.count)
        return search_params(options, exact=False, among=among)

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there, in any order."""
        if not ids:
            return []
        wanted = [str(one) for one in ids]
        found = await self._read(
            self._client.retrieve, ids=wanted, with_payload=True, with_vectors=self._stored
        )
        return [record_of(record) for record in found or []]

    async def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those of the ids that are there."""
        if not ids:
            return {}
        wanted = [str(one) for one in ids]
        found = await self._read(
            self._client.retrieve, ids=wanted, with_payload=True, with_vectors=False
        )
        return {UUID(str(record.id)): record.payload or {} for record in found or []}

    async def facet(
        self, key: str, conditions: Sequence[Condition], limit: int
    ) -> list[FacetCount]:
        """The most frequent values of an indexed payload key; on a cluster nearly exact."""
        found = await self._read(
            self._client.facet,
            key=key,
            facet_filter=server_filter(conditions),
            limit=limit,
            exact=False,  # exact counts take a hundred times longer
        )
        return [] if found is None else [FacetCount(hit.value, hit.count) for hit in found.hits]

    async def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions; without any, what the server last counted."""
        found = await self._read(
            self._client.count, count_filter=server_filter(conditions), exact=bool(conditions)
        )
        return 0 if found is None else int(found.count)

    async def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id, and where to go on; None at the end."""
        if self._dim is None:
            return [], None
        records, following = await self._call(
            self._client.scroll(
                self._name,
                limit=limit,
                offset=None if after is None else str(after),
                with_payload=True,
                with_vectors=self._stored,
            )
        )
        there_on = None if following is None else UUID(str(following))
        return [record_of(record) for record in records], there_on

    async def info(self) -> IndexInfo:
        """The state of the index."""
        if self._dim is None:
            return IndexInfo(0, indexed=False)
        points, words, told = await asyncio.gather(
            self._call(self._client.count(self._name, exact=False)),
            self._count_words(),
            self._call(self._client.get_collection(self._name)),
        )
        # Vectors of words are indexed at once, and counted with the others.
        in_graph = (told.indexed_vectors_count or 0) - words
        return IndexInfo(points.count, in_graph > 0, _building(told, max(0, in_graph)))

    async def _count_words(self) -> int:
        if self._multi:
            return 0
        with_words = models.Filter(must=[models.HasVectorCondition(has_vector=WORDS)])
        return (await self._call(self._client.count(self._name, with_words, exact=False))).count

    async def close(self) -> None:
        """Nothing to let go of: the connection belongs to whoever made it."""

    @property
    def _stored(self) -> Any:
        """What a record has of vectors; means are made anew."""
        return [PAGES] if self._multi else True

    async def _read(self, ask: Callable[..., Awaitable[T]], **options: Any) -> T | None:
        """What is there, once it is confirmed; None as long as there is no collection."""
        if self._dim is None:
            await self._confirm()
            return None
        found, _ = await asyncio.gather(self._call(ask(self._name, **options)), self._confirm())
        return found

    async def _call(self, answer: Awaitable[T]) -> T:
        return await self._connection.call(answer)

    def _require_created(self) -> None:
        if self._dim is None:
            raise IndexFault("written to before it was created")


def _changes(points: Sequence[IndexPoint], *, with_words: bool) -> Iterator[Any]:
    for point in points:
        yield models.OverwritePayloadOperation(
            overwrite_payload=models.SetPayload(
                payload=point.payload, filter=models.Filter(must=[has_id([point.id])])
            )
        )
    words = [
        models.PointVectors(id=str(point.id), vector={WORDS: sparse_of(point.words)})
        for point in points
        if point.words is not None and with_words
    ]
    if words:
        yield models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=words))


def _building(told: models.CollectionInfo, in_graph: int) -> str:
    match told.status:
        case models.CollectionStatus.YELLOW:
            return f"the server is building: {in_graph} vectors are in the graph"
        case models.CollectionStatus.GREY:
            return "the server waits for the next write before it goes on building"
        case models.CollectionStatus.RED:
            return f"the server reports an error: {told.optimizer_status}"
    return ""
