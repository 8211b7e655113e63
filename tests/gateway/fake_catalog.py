"""A catalogue of a few records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.gateway.fake_records import IMAGE_ID, JOB_ID, record
from tests.gateway.fake_service import Context, Fake
from viewfinder.errors import ImageNotFound, JobNotFound, PageOfDocument, ViewfinderError
from viewfinder.v1 import catalog_pb2, catalog_pb2_grpc, common_pb2


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
