"""A server that speaks Qdrant's gRPC protocol, over qdrant-client's local mode.

What a test asks of it went through the real client, the real encoding and a real socket; what it
answers is computed by qdrant-client's own reimplementation of the engine, not by the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from qdrant_client import AsyncQdrantClient
from qdrant_client import grpc as wire
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc import (
    collections_service_pb2_grpc,
    points_service_pb2_grpc,
    qdrant_pb2_grpc,
)
from qdrant_client.http import models

VERSION = "1.20.0"


class QdrantStub:
    """One node. `fail_with` holds what the next calls are refused with, one each; `failing`
    names those calls, empty: all.

    `asked` lists the names of the calls, `requests` the last message of each name, `hold` is
    waited for before a call is answered, `status` and `indexed` are what collections report.
    """

    def __init__(self, api_key: str = "", version: str = VERSION) -> None:
        self.local = AsyncQdrantClient(":memory:")
        self.api_key = api_key
        self.version = version
        self.fail_with: list[tuple[grpc.StatusCode, str]] = []
        self.failing = ""
        self.asked: list[str] = []
        self.requests: dict[str, Any] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.status = models.CollectionStatus.GREEN
        self.indexed: int | None = None
        self.payload_indexes: dict[str, dict[str, models.PayloadSchemaType]] = {}
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> None:
        """Listen on this machine; `port` then says where."""
        server = grpc.aio.server(interceptors=[_Gate(self)], options=[("grpc.so_reuseport", 0)])
        register: list[tuple[Any, Any]] = [  # generated, and without types
            (collections_service_pb2_grpc.add_CollectionsServicer_to_server, _Collections(self)),
            (points_service_pb2_grpc.add_PointsServicer_to_server, _Points(self)),
            (qdrant_pb2_grpc.add_QdrantServicer_to_server, _Root(self)),
        ]
        for add_to_server, servicer in register:
            add_to_server(servicer, server)
        address = f"127.0.0.1:{port}"
        if credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, credentials)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Let go of the port; what was stored stays."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


class _Gate(grpc.aio.ServerInterceptor):
    """What a server does before it looks at a request."""

    def __init__(self, stub: QdrantStub) -> None:
        self._stub = stub

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: Any,
    ) -> Any:
        stub = self._stub
        name = handler_call_details.method.rpartition("/")[2]
        headers = dict(handler_call_details.invocation_metadata)
        handler: Any = await continuation(handler_call_details)

        async def answer(request: Any, context: Any) -> Any:
            stub.asked.append(name)
            stub.requests[name] = request
            # A health check needs no key, as with the real server.
            if stub.api_key and name != "HealthCheck" and headers.get("api-key") != stub.api_key:
                await context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization"
                )
            if stub.fail_with and stub.failing in ("", name):
                await context.abort(*stub.fail_with.pop(0))
            await stub.hold.wait()
            try:
                return await handler.unary_unary(request, context)
            except KeyError as error:
                await context.abort(
                    grpc.StatusCode.NOT_FOUND, f"Not found: No point with id {error} found"
                )
            except ValueError as error:
                missing = "not found" in str(error)
                code = grpc.StatusCode.NOT_FOUND if missing else grpc.StatusCode.INVALID_ARGUMENT
                await context.abort(code, str(error))

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class _Root(qdrant_pb2_grpc.QdrantServicer):
    def __init__(self, stub: QdrantStub) -> None:
        self._stub = stub

    async def HealthCheck(self, request: Any, context: Any) -> Any:
        return wire.HealthCheckReply(title="qdrant", version=self._stub.version)


class _Collections(collections_service_pb2_grpc.CollectionsServicer):
    def __init__(self, stub: QdrantStub) -> None:
        self._stub = stub
        self._local = stub.local

    async def List(self, request: Any, context: Any) -> Any:
        told = await self._local.get_collections()
        return wire.ListCollectionsResponse(
            collections=[RestToGrpc.convert_collection_description(c) for c in told.collections]
        )

    async def Get(self, request: Any, context: Any) -> Any:
        told = await self._local.get_collection(request.collection_name)
        told.status = self._stub.status
        indexes = self._stub.payload_indexes.get(request.collection_name, {})
        told.payload_schema = {
            key: models.PayloadIndexInfo(data_type=kind, points=0) for key, kind in indexes.items()
        }
        if self._stub.indexed is not None:
            told.indexed_vectors_count = self._stub.indexed
        return wire.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(told))

    async def CollectionExists(self, request: Any, context: Any) -> Any:
        exists = await self._local.collection_exists(request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(exists=exists))

    async def Create(self, request: Any, context: Any) -> Any:
        sparse = request.sparse_vectors_config
        await self._local.create_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            sparse_vectors_config=GrpcToRest.convert_sparse_vector_config(sparse),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        return wire.CollectionOperationResponse(result=True)

    async def Delete(self, request: Any, context: Any) -> Any:
        done = await self._local.delete_collection(request.collection_name)
        self._stub.payload_indexes.pop(request.collection_name, None)
        return wire.CollectionOperationResponse(result=bool(done))

    async def UpdateAliases(self, request: Any, context: Any) -> Any:
        await self._local.update_collection_aliases(
            [GrpcToRest.convert_alias_operations(action) for action in request.actions]
        )
        return wire.CollectionOperationResponse(result=True)

    async def ListAliases(self, request: Any, context: Any) -> Any:
        told = await self._local.get_aliases()
        return wire.ListAliasesResponse(
            aliases=[RestToGrpc.convert_alias_description(alias) for alias in told.aliases]
        )


class _Points(points_service_pb2_grpc.PointsServicer):
    def __init__(self, stub: QdrantStub) -> None:
        self._stub = stub
        self._local = stub.local

    async def CreateFieldIndex(self, request: Any, context: Any) -> Any:
        # The local mode has none: they are remembered here.
        kind = wire.FieldType.Name(request.field_type).removeprefix("FieldType").lower()
        indexes = self._stub.payload_indexes.setdefault(request.collection_name, {})
        indexes[request.field_name] = models.PayloadSchemaType(kind)
        return _done()

    async def Upsert(self, request: Any, context: Any) -> Any:
        await self._local.upsert(
            request.collection_name,
            [GrpcToRest.convert_point_struct(point) for point in request.points],
        )
        return _done()

    async def Delete(self, request: Any, context: Any) -> Any:
        await self._local.delete(
            request.collection_name, GrpcToRest.convert_points_selector(request.points)
        )
        return _done()

    async def UpdateBatch(self, request: Any, context: Any) -> Any:
        await self._local.batch_update_points(
            request.collection_name,
            [GrpcToRest.convert_points_update_operation(one) for one in request.operations],
        )
        return wire.UpdateBatchResponse(result=[_result() for _ in request.operations])

    async def Get(self, request: Any, context: Any) -> Any:
        records = await self._local.retrieve(
            request.collection_name,
            [GrpcToRest.convert_point_id(one) for one in request.ids],
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return wire.GetResponse(result=[_record(one) for one in records])

    async def Query(self, request: Any, context: Any) -> Any:
        asked = GrpcToRest.convert_query_points(request)
        answer = await self._local.query_points(
            request.collection_name,
            query=asked.query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            score_threshold=asked.score_threshold,
            with_payload=asked.with_payload or False,
            with_vectors=asked.with_vector or False,
        )
        return wire.QueryResponse(result=[_hit(one) for one in answer.points])

    async def Scroll(self, request: Any, context: Any) -> Any:
        records, following = await self._local.scroll(
            request.collection_name,
            scroll_filter=_filter(request, "filter"),
            limit=request.limit,
            offset=(
                GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None
            ),
            with_payload=GrpcToRest.convert_with_payload_interface(request.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return wire.ScrollResponse(
            result=[_record(one) for one in records],
            next_page_offset=(
                None if following is None else RestToGrpc.convert_extended_point_id(str(following))
            ),
        )

    async def Count(self, request: Any, context: Any) -> Any:
        counted = await self._local.count(
            request.collection_name, _filter(request, "filter"), exact=request.exact
        )
        return wire.CountResponse(result=RestToGrpc.convert_count_result(counted))

    async def Facet(self, request: Any, context: Any) -> Any:
        told = await self._local.facet(
            request.collection_name,
            request.key,
            facet_filter=_filter(request, "filter"),
            limit=request.limit,
            exact=request.exact,
        )
        return wire.FacetResponse(hits=[RestToGrpc.convert_facet_value_hit(h) for h in told.hits])


def _filter(request: Any, field: str) -> Any:
    return GrpcToRest.convert_filter(getattr(request, field)) if request.HasField(field) else None


def _record(record: Any) -> Any:
    record.payload = record.payload or {}  # the conversion knows no None
    return RestToGrpc.convert_record(record)


def _hit(point: Any) -> Any:
    point.payload = point.payload or {}
    return RestToGrpc.convert_scored_point(point)


def _result() -> Any:
    return wire.UpdateResult(operation_id=0, status=wire.UpdateStatus.Completed)


def _done() -> Any:
    return wire.PointsOperationResponse(result=_result())
