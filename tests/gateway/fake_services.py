"""Services that remember what they were asked and answer as a test tells them.

They speak real gRPC through viewfinder/rpc_server.py; only their work is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.fake_catalog import FakeCatalog
from tests.gateway.fake_service import Context, Fake
from tests.gateway.fake_upload import FakeUpload
from viewfinder.errors import ImageNotFound, InternalError, RangeNotSatisfiable
from viewfinder.rpc_server import RpcServer
from viewfinder.v1 import (
    catalog_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    upload_pb2_grpc,
)

ETAG = "abc123"
PIXELS = common_pb2.PixelSpec(size=4, resize_mode="squash", interpolation="bilinear")
_CHUNK_BYTES = 1000


class FakeSearch(Fake, search_pb2_grpc.SearchServiceServicer):
    """Answers every search with the first of `hits`."""

    def __init__(self) -> None:
        super().__init__()
        self.hits: list[search_pb2.Hit] = []
        self.spec: common_pb2.EncoderSpec | None = common_pb2.EncoderSpec(
            name="mini", revision="r1", dim=8, pixels=PIXELS
        )
        self.dropped: list[common_pb2.EncoderSpec] = []
        self.next_cursor = ""
        self.facets: list[search_pb2.Facet] = []

    async def Search(
        self, request: search_pb2.SearchRequest, context: Context
    ) -> search_pb2.SearchResponse:
        await self.seen(request, context)
        return search_pb2.SearchResponse(
            hits=self.hits[: request.top_k],
            epoch=7,
            embed_ms=3.0,
            index_ms=2.0,
            spec=self.spec,
            next_cursor=self.next_cursor,
            facets=self.facets,
        )

    async def DropCollection(
        self, request: search_pb2.DropCollectionRequest, context: Context
    ) -> search_pb2.DropCollectionResponse:
        await self.seen(request, context)
        self.dropped.append(request.spec)
        return search_pb2.DropCollectionResponse()

    async def DeletePoints(
        self, request: search_pb2.DeletePointsRequest, context: Context
    ) -> search_pb2.DeletePointsResponse:
        await self.seen(request, context)
        return search_pb2.DeletePointsResponse()

    async def GetCollection(
        self, request: search_pb2.GetCollectionRequest, context: Context
    ) -> search_pb2.Collection:
        await self.seen(request, context)
        return search_pb2.Collection(
            name="pictures", vectors_count=3, status="green", indexed=True, spec=self.spec
        )


class FakeEmbedding(Fake, embedding_pb2_grpc.EmbeddingServiceServicer):
    """Knows its spec, and embeds nothing: the gateway never asks for vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels = common_pb2.PixelSpec()
        self.pixels.CopyFrom(PIXELS)
        self.document_encoder: str | None = None

    async def GetSpec(
        self, request: embedding_pb2.GetSpecRequest, context: Context
    ) -> embedding_pb2.GetSpecResponse:
        await self.seen(request, context)
        if request.document and self.document_encoder is None:
            return embedding_pb2.GetSpecResponse()
        name = self.document_encoder if request.document else request.encoder
        spec = common_pb2.EncoderSpec(name=name or "mini", revision="r1", dim=8, pixels=self.pixels)
        return embedding_pb2.GetSpecResponse(spec=spec, device="cpu", max_batch=8)


class FakeImage(Fake, image_pb2_grpc.ImageServiceServicer):
    """Sends `content` as the original and `rendition` as every rendition, in small chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.content = bytes(range(250)) * 20
        self.rendition = b"small picture"
        self.renditions: dict[str, bytes] = {}  # of these ids, in its place
        self.missing: set[str] = set()
        self.breaks_after: int | None = None  # chunks
        self.open_streams = 0
        self.sent_bytes = 0

    async def GetContent(
        self, request: image_pb2.GetContentRequest, context: Context
    ) -> AsyncIterator[image_pb2.GetContentResponse]:
        await self.seen(request, context)
        if request.image_id in self.missing:
            raise ImageNotFound(image_id=request.image_id)
        is_original = request.WhichOneof("what") == "original"
        rendition = self.renditions.get(request.image_id, self.rendition)
        whole = self.content if is_original else rendition
        offset = request.original.offset
        if offset >= len(whole):
            raise RangeNotSatisfiable(offset=offset, size_bytes=len(whole))
        part = whole[offset : offset + (request.original.length or len(whole))]
        head = image_pb2.ContentHead(
            media_type=request.media_type
            if is_original
            else f"image/{request.rendition.format or request.heatmap.format}",
            size_bytes=len(whole),
            offset=offset,
            length=len(part),
            etag=ETAG,
        )
        yield image_pb2.GetContentResponse(head=head)
        if request.head_only:
            return
        self.open_streams += 1
        try:
            for number, start in enumerate(range(0, len(part), _CHUNK_BYTES)):
                if number == self.breaks_after:
                    raise InternalError(request_id="of image_service")
                self.sent_bytes += _CHUNK_BYTES
                yield image_pb2.GetContentResponse(chunk=part[start : start + _CHUNK_BYTES])
        finally:
            self.open_streams -= 1


@dataclass(frozen=True)
class FakeServices:
    """All of them, on one socket."""

    address: str
    upload: FakeUpload = field(default_factory=FakeUpload)
    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    embedding: FakeEmbedding = field(default_factory=FakeEmbedding)
    search: FakeSearch = field(default_factory=FakeSearch)
    image: FakeImage = field(default_factory=FakeImage)


@asynccontextmanager
async def serve(services: FakeServices) -> AsyncIterator[None]:
    """Answers on the services' socket while this is open."""
    server = RpcServer(services.address, grace_s=0)
    registrations: Sequence[tuple[Any, Any, str]] = (
        (upload_pb2_grpc.add_UploadServiceServicer_to_server, services.upload, "Upload"),
        (catalog_pb2_grpc.add_CatalogServiceServicer_to_server, services.catalog, "Catalog"),
        (
            embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
            services.embedding,
            "Embedding",
        ),
        (search_pb2_grpc.add_SearchServiceServicer_to_server, services.search, "Search"),
        (image_pb2_grpc.add_ImageServiceServicer_to_server, services.image, "Image"),
    )
    for add, servicer, name in registrations:
        server.add(add, servicer, f"viewfinder.v1.{name}Service")
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    try:
        yield
    finally:
        server.stop()
        await running
