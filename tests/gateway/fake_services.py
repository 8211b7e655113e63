"""Services that remember what they were asked and answer as a test tells them.

They speak real gRPC through viewfinder/rpc_server.py; only their work is made up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf.struct_pb2 import Struct

from viewfinder.errors import (
    ImageNotFound,
    InternalError,
    JobNotFound,
    PageOfDocument,
    RangeNotSatisfiable,
    ViewfinderError,
)
from viewfinder.ids import page_id
from viewfinder.rpc_server import RpcServer
from viewfinder.telemetry import REQUEST_ID_HEADER
from viewfinder.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)

Context = grpc.aio.ServicerContext  # type: ignore[type-arg]

IMAGE_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER_ID = "6fa459ea-ee8a-4ca4-894e-db77e160355e"
DOCUMENT_ID = "7d444840-9dc0-41d1-b245-5ffdce74fad2"
PAGE_ID = str(page_id(UUID(DOCUMENT_ID), 2))
JOB_ID = "9b2d6f0e-0c43-4f0e-8f5c-6d1f0c4f7a10"
ETAG = "abc123"
PIXELS = common_pb2.PixelSpec(size=4, resize_mode="squash", interpolation="bilinear")
_CHUNK_BYTES = 1000


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


def record(image_id: str = IMAGE_ID, **values: Any) -> catalog_pb2.ImageRecord:
    """A record of the catalogue, complete but for `values`."""
    known: dict[str, Any] = {
        "id": image_id,
        "sha256": "ab" * 32,
        "state": "indexed",
        "file_name": "cat.jpg",
        "media_type": "image/jpeg",
        "size_bytes": 5000,
        "width": 640,
        "height": 480,
        "blob_key": f"key-of-{image_id}",
    }
    return catalog_pb2.ImageRecord(**{**known, **values})


def document(**values: Any) -> catalog_pb2.ImageRecord:
    """The record of a PDF of three pages."""
    known: dict[str, Any] = {
        "file_name": "report.pdf",
        "media_type": "application/pdf",
        "pages": 3,
        "pages_done": 2,
        "state": "stored",
        "password": "open sesame",
    }
    return record(DOCUMENT_ID, **{**known, **values})


def page(**values: Any) -> catalog_pb2.ImageRecord:
    """The record of its second page."""
    known: dict[str, Any] = {
        "file_name": "report.pdf",
        "media_type": "application/pdf",
        "document_id": DOCUMENT_ID,
        "page": 2,
        "pages": 3,
        "size_bytes": 0,
        "blob_key": f"key-of-{DOCUMENT_ID}",
        "text_source": "ocr",
        "password": "open sesame",
    }
    return record(PAGE_ID, **{**known, **values})


class Fake:
    """What all have in common: `requests` seen, and `failure` to raise instead of an answer."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.request_ids: list[str] = []
        self.failure: Exception | None = None
        self.delay_s = 0.0

    async def seen(self, request: Any, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self.request_ids.append(str(metadata.get(REQUEST_ID_HEADER)))
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure

    def last(self) -> Any:
        return self.requests[-1]


@dataclass
class ReceivedFile:
    """One call of Upload: what came, and whether it ended properly."""

    header: upload_pb2.UploadHeader = field(default_factory=upload_pb2.UploadHeader)
    chunks: list[bytes] = field(default_factory=list)
    is_whole: bool = False  # the stream ended, and was not cancelled
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def content(self) -> bytes:
        return b"".join(self.chunks)


class FakeUpload(upload_pb2_grpc.UploadServiceServicer):
    """Takes files in. `refusal` is asked after every message; `may_read` holds it up."""

    def __init__(self) -> None:
        self.files: list[ReceivedFile] = []
        self.duplicates: set[str] = set()
        self.refusal: Callable[[ReceivedFile], ViewfinderError | None] = lambda _: None
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.begun = asyncio.Event()

    async def Upload(
        self, requests: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        received = ReceivedFile()
        self.files.append(received)
        try:
            async for request in requests:
                if request.WhichOneof("part") == "header":
                    received.header = request.header
                elif request.WhichOneof("part") == "chunk":
                    received.chunks.append(request.chunk)
                else:
                    received.is_whole = True
                    assert request.end.size_bytes == sum(map(len, received.chunks))
                self.begun.set()
                if (error := self.refusal(received)) is not None:
                    raise error
                await self.may_read.wait()
        finally:
            received.is_over.set()
        number = len(self.files)
        image = record(
            f"00000000-0000-4000-8000-{number:012}",
            state="stored",
            pages=7 if received.header.file_name.endswith(".pdf") else 0,
        )
        duplicate = received.header.file_name in self.duplicates
        return upload_pb2.UploadResponse(
            image=image, duplicate=duplicate, job_id=received.header.job_id
        )


class FakeCatalog(Fake, catalog_pb2_grpc.CatalogServiceServicer):
    """Holds `records` and `jobs`; WatchJob sends what is put into `news`, None ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.records = {IMAGE_ID: record()}
        self.texts: dict[str, common_pb2.ReadText] = {}
        self.jobs = {JOB_ID: catalog_pb2.Job(job_id=JOB_ID, total=2, stored=2)}
        self.reindex = catalog_pb2.Reindex(state="idle")
        self.news: asyncio.Queue[catalog_pb2.Job | ViewfinderError | None] = asyncio.Queue()
        self.watchers = 0
        self.page = catalog_pb2.ListImagesResponse()
        self.counted = catalog_pb2.RequestDescriptionsResponse(
            asked=10,
            waiting=2,
            described=3,
            failed=4,
            unknown=1,
            patches=1000.0,
            mean_s=4.0,
            mean_chars=800,
        )
        self.described = catalog_pb2.DescriptionProgress(
            waiting=10, described=3, edited=1, failed=1, in_hand=4, mean_s=4.0
        )
        self.stats = catalog_pb2.CatalogStats(
            by_state={"indexed": 3, "failed": 1},
            total=4,
            size_bytes=20_000,
            documents=1,
            pages=2,
            to_read=3,
        )

    async def GetImages(
        self, request: catalog_pb2.GetImagesRequest, context: Context
    ) -> catalog_pb2.GetImagesResponse:
        await self.seen(request, context)
        found = [self.records[one] for one in request.ids if one in self.records]
        return catalog_pb2.GetImagesResponse(images=found)

    async def GetText(
        self, request: catalog_pb2.GetTextRequest, context: Context
    ) -> catalog_pb2.GetTextResponse:
        await self.seen(request, context)
        return catalog_pb2.GetTextResponse(text=self.texts.get(request.id))

    async def ListImages(
        self, request: catalog_pb2.ListImagesRequest, context: Context
    ) -> catalog_pb2.ListImagesResponse:
        await self.seen(request, context)
        return self.page

    async def UpdateImage(
        self, request: catalog_pb2.UpdateImageRequest, context: Context
    ) -> catalog_pb2.ImageRecord:
        await self.seen(request, context)
        return self.records.get(request.id, record(request.id))

    async def DeleteImage(
        self, request: catalog_pb2.DeleteImageRequest, context: Context
    ) -> catalog_pb2.DeleteImageResponse:
        await self.seen(request, context)
        if request.id not in self.records:
            raise ImageNotFound(image_id=request.id)
        found = self.records[request.id]
        if found.document_id:
            raise PageOfDocument(image_id=found.id, page=found.page, document_id=found.document_id)
        return catalog_pb2.DeleteImageResponse()

    async def GetJob(self, request: catalog_pb2.GetJobRequest, context: Context) -> catalog_pb2.Job:
        await self.seen(request, context)
        if request.job_id not in self.jobs:
            raise JobNotFound(job_id=request.job_id)
        return self.jobs[request.job_id]

    async def WatchJob(
        self, request: catalog_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[catalog_pb2.Job]:
        await self.seen(request, context)
        self.watchers += 1
        try:
            while (news := await self.news.get()) is not None:
                if isinstance(news, ViewfinderError):
                    raise news
                yield news
        finally:
            self.watchers -= 1

    async def GetCatalogStats(
        self, request: catalog_pb2.GetCatalogStatsRequest, context: Context
    ) -> catalog_pb2.CatalogStats:
        await self.seen(request, context)
        return self.stats

    async def RequestDescriptions(
        self, request: catalog_pb2.RequestDescriptionsRequest, context: Context
    ) -> catalog_pb2.RequestDescriptionsResponse:
        await self.seen(request, context)
        return self.counted

    async def GetDescriptions(
        self, request: catalog_pb2.GetDescriptionsRequest, context: Context
    ) -> catalog_pb2.DescriptionProgress:
        await self.seen(request, context)
        return self.described

    async def StopDescriptions(
        self, request: catalog_pb2.StopDescriptionsRequest, context: Context
    ) -> catalog_pb2.StopDescriptionsResponse:
        await self.seen(request, context)
        return catalog_pb2.StopDescriptionsResponse(stopped=7)

    async def StartReindex(
        self, request: catalog_pb2.StartReindexRequest, context: Context
    ) -> catalog_pb2.Reindex:
        await self.seen(request, context)
        return self.reindex

    async def GetReindex(
        self, request: catalog_pb2.GetReindexRequest, context: Context
    ) -> catalog_pb2.Reindex:
        await self.seen(request, context)
        return self.reindex

    async def SwitchEncoder(
        self, request: catalog_pb2.SwitchEncoderRequest, context: Context
    ) -> catalog_pb2.Reindex:
        await self.seen(request, context)
        return self.reindex

    async def ForgetEncoder(
        self, request: catalog_pb2.ForgetEncoderRequest, context: Context
    ) -> catalog_pb2.Reindex:
        await self.seen(request, context)
        return self.reindex


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


async def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    """Returns when it is so; fails when it does not become so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)
