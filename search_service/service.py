"""The gRPC face of search_service: protobuf to plain Python and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from search_service.collection import CollectionState
from search_service.collections import Collections
from search_service.dump import dump, messages_of, stored_points_of
from search_service.query import Searcher
from search_service.search_wire import facet_message, hit_message, wanted_of
from search_service.vector_index import IndexPoint
from search_service.wire import either_of, point_of, spec_message, spec_of, uuid_of
from search_service.words import Bm25Words
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import search_pb2, search_pb2_grpc

FULL_NAME = "viewfinder.v1.SearchService"
MAX_POINTS = 1024


class SearchAdapter(search_pb2_grpc.SearchServiceServicer):
    """Serves the collections."""

    def __init__(
        self,
        collections: Collections,
        searcher: Searcher,
        name: str,
        words: Bm25Words | None = None,
    ) -> None:
        self._collections = collections
        self._searcher = searcher
        self._name = name
        self._words = words or Bm25Words()

    async def Upsert(
        self, request: search_pb2.UpsertRequest, context: Any
    ) -> search_pb2.UpsertResponse:
        """Durable when it answers."""
        _check_count(len(request.points))
        epoch = await self._collections.upsert(
            spec_of(request.spec),
            await self._points_of(request.points),
            either_of(request),
            request.beside,
        )
        return search_pb2.UpsertResponse(epoch=epoch)

    async def SetPayload(
        self, request: search_pb2.SetPayloadRequest, context: Any
    ) -> search_pb2.SetPayloadResponse:
        """Replaces payloads."""
        _check_count(len(request.points))
        epoch = await self._collections.set_payload(await self._points_of(request.points))
        return search_pb2.SetPayloadResponse(epoch=epoch)

    async def DeletePoints(
        self, request: search_pb2.DeletePointsRequest, context: Any
    ) -> search_pb2.DeletePointsResponse:
        """Removes points."""
        _check_count(len(request.ids))
        epoch = await self._collections.delete([uuid_of(text) for text in request.ids])
        return search_pb2.DeletePointsResponse(epoch=epoch)

    async def Search(
        self, request: search_pb2.SearchRequest, context: Any
    ) -> search_pb2.SearchResponse:
        """Answers one query."""
        began = time.perf_counter()
        answer = await self._searcher.search(wanted_of(request))
        response = search_pb2.SearchResponse(
            hits=[
                hit_message(
                    hit,
                    answer.curve,
                    answer.words,
                    request.payload_as_json,
                    answer.judged_by_look,
                    answer.late_curve,
                )
                for hit in answer.hits
            ],
            epoch=answer.epoch,
            spec=None if answer.spec is None else spec_message(answer.spec),
            embed_ms=answer.embed_ms,
            index_ms=answer.index_ms,
            compose_ms=answer.compose_ms,
            next_cursor=answer.next_cursor,
            facets=[facet_message(facet) for facet in answer.facets],
        )
        response.service_ms = (time.perf_counter() - began) * 1000
        return response

    async def GetCollection(
        self, request: search_pb2.GetCollectionRequest, context: Any
    ) -> search_pb2.Collection:
        """Describes the collection."""
        active, *others = await self._collections.states()
        collection = self._message(active)
        collection.others.extend(self._message(other) for other in others)
        return collection

    async def SwitchCollection(
        self, request: search_pb2.SwitchCollectionRequest, context: Any
    ) -> search_pb2.SwitchCollectionResponse:
        """Lets another encoder answer."""
        epoch = await self._collections.switch(spec_of(request.spec))
        return search_pb2.SwitchCollectionResponse(epoch=epoch)

    async def DropCollection(
        self, request: search_pb2.DropCollectionRequest, context: Any
    ) -> search_pb2.DropCollectionResponse:
        """Removes the vectors of another encoder."""
        await self._collections.drop(spec_of(request.spec))
        return search_pb2.DropCollectionResponse()

    async def DumpCollections(
        self, request: search_pb2.DumpCollectionsRequest, context: Any
    ) -> AsyncIterator[search_pb2.DumpCollectionsResponse]:
        """All that is stored, for a backup."""
        async for part in dump(self._collections):
            for message in messages_of(part):
                yield message

    async def RestorePoints(
        self, request: search_pb2.RestorePointsRequest, context: Any
    ) -> search_pb2.RestorePointsResponse:
        """Points of a backup into the collection of their encoder."""
        _check_count(len(request.points.points))
        points, vectors = stored_points_of(request.points)
        await self._collections.upsert(spec_of(request.spec), points, vectors, request.beside)
        return search_pb2.RestorePointsResponse()

    async def _points_of(self, points: Sequence[search_pb2.Point]) -> list[IndexPoint]:
        # In a thread: the words of many long pages take long enough for searches to notice.
        return await asyncio.to_thread(lambda: [point_of(one, self._words) for one in points])

    def _message(self, state: CollectionState) -> search_pb2.Collection:
        return search_pb2.Collection(
            name=self._name,
            vectors_count=state.info.points,
            status="green",
            indexed=state.info.indexed,
            spec=None if state.spec is None else spec_message(state.spec),
            epoch=state.epoch,
            recall=state.recall.recall,
            recall_samples=state.recall.samples,
        )


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_POINTS:
        raise InvalidRequest("points", str(count), f"1..{MAX_POINTS} a call")
