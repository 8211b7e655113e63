"""The adapter: protobuf in, plain Python through, protobuf out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal

import grpc.aio
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct

from upload_service.catalog import Catalog
from upload_service.claims import Claims
from upload_service.description_requests import DescriptionRequests
from upload_service.description_wire import (
    counted_message,
    plain_describer,
    plain_wish,
    progress_message,
)
from upload_service.descriptions import Described
from upload_service.dump import dump
from upload_service.intake import Header, Intake
from upload_service.jobs import Changes, Jobs
from upload_service.reconciler import Reconciler
from upload_service.record_wire import (
    job_message,
    plain_description,
    plain_text,
    record_message,
    text_message,
)
from upload_service.reindex_wire import plain_spec, reindex_message, spec_message
from upload_service.reindexing import ReindexClaim, Reindexing, key_of
from upload_service.tables import Image
from upload_service.texts import packed
from upload_service.work import Offer, Outcome, Result, Told
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import catalog_pb2, catalog_pb2_grpc, upload_pb2, upload_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]

_OUTCOMES = {
    catalog_pb2.WorkResult.OUTCOME_INDEXED: Outcome.INDEXED,
    catalog_pb2.WorkResult.OUTCOME_FAILED: Outcome.FAILED,
    catalog_pb2.WorkResult.OUTCOME_RETRY: Outcome.RETRY,
    catalog_pb2.WorkResult.OUTCOME_DELETED: Outcome.DELETED,
    catalog_pb2.WorkResult.OUTCOME_READ: Outcome.READ,
    catalog_pb2.WorkResult.OUTCOME_DESCRIBED: Outcome.DESCRIBED,
    catalog_pb2.WorkResult.OUTCOME_REFUSED: Outcome.REFUSED,
}


class UploadAdapter(upload_pb2_grpc.UploadServiceServicer):
    """viewfinder.v1.UploadService."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def Upload(
        self, request: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        """Take one file in."""
        parts = aiter(request)
        first = await anext(parts, None)
        if first is None or first.WhichOneof("part") != "header":
            raise InvalidRequest(
                field="part", value="chunk", allowed="the header first, then chunks"
            )
        header = Header(
            file_name=first.header.file_name,
            file_path=first.header.file_path,
            job_id=first.header.job_id,
            tags=list(first.header.tags),
            metadata=_plain(first.header.metadata),
            password=first.header.password,
            describe=first.header.describe,
        )
        taken = await self._intake.take(header, _chunks(parts))
        return upload_pb2.UploadResponse(
            image=record_message(taken.image), duplicate=taken.duplicate, job_id=taken.job_id
        )


async def _chunks(parts: AsyncIterator[upload_pb2.UploadRequest]) -> AsyncIterator[bytes]:
    size_bytes = 0
    async for part in parts:
        match part.WhichOneof("part"):
            case "chunk":
                size_bytes += len(part.chunk)
                yield part.chunk
            case "end" if part.end.size_bytes == size_bytes:
                return
            case "end":
                raise InvalidRequest(
                    field="end.size_bytes", value=str(part.end.size_bytes), allowed=str(size_bytes)
                )
            case _:
                raise InvalidRequest(
                    field="part", value="header", allowed="chunks after the header, then the end"
                )
    raise InvalidRequest(
        field="part", value="missing", allowed="an end after the last chunk: it was broken off"
    )


class CatalogAdapter(catalog_pb2_grpc.CatalogServiceServicer):
    """viewfinder.v1.CatalogService."""

    def __init__(
        self,
        catalog: Catalog,
        claims: Claims,
        jobs: Jobs,
        changes: Changes,
        reindexing: Reindexing,
        reconciler: Reconciler,
        descriptions: DescriptionRequests,
    ) -> None:
        self._descriptions = descriptions
        self._reindexing = reindexing
        self._catalog = catalog
        self._claims = claims
        self._jobs = jobs
        self._changes = changes
        self._reconciler = reconciler

    async def GetImages(
        self, request: catalog_pb2.GetImagesRequest, context: Context
    ) -> catalog_pb2.GetImagesResponse:
        """Records by id."""

        def get() -> list[catalog_pb2.ImageRecord]:
            return self._records(self._catalog.get(list(request.ids)))

        return catalog_pb2.GetImagesResponse(images=await asyncio.to_thread(get))

    def _records(self, images: Sequence[Image]) -> list[catalog_pb2.ImageRecord]:
        """With what they show. Blocking."""
        shown = self._catalog.descriptions(images)
        return [record_message(image, described=shown.get(image.id)) for image in images]

    async def GetText(
        self, request: catalog_pb2.GetTextRequest, context: Context
    ) -> catalog_pb2.GetTextResponse:
        """The words of a picture or page."""
        text = await asyncio.to_thread(self._catalog.text, request.id)
        return catalog_pb2.GetTextResponse(text=None if text is None else text_message(text))

    async def ListImages(
        self, request: catalog_pb2.ListImagesRequest, context: Context
    ) -> catalog_pb2.ListImagesResponse:
        """A page of records."""
        page = await asyncio.to_thread(
            self._catalog.page,
            request.limit,
            request.cursor,
            list(request.states),
            list(request.tags),
            request.document_id,
        )
        return catalog_pb2.ListImagesResponse(
            images=await asyncio.to_thread(self._records, page.images),
            next_cursor=page.next_cursor,
            total=page.total,
        )

    async def UpdateImage(
        self, request: catalog_pb2.UpdateImageRequest, context: Context
    ) -> catalog_pb2.ImageRecord:
        """Change tags and metadata."""
        image = await asyncio.to_thread(
            self._catalog.update,
            request.id,
            list(request.tags.values) if request.HasField("tags") else None,
            _plain(request.metadata) if request.HasField("metadata") else None,
            _edited(request),
        )
        self._reconciler.work_arrived()
        (record,) = await asyncio.to_thread(self._records, [image])
        return record

    async def DeleteImage(
        self, request: catalog_pb2.DeleteImageRequest, context: Context
    ) -> catalog_pb2.DeleteImageResponse:
        """Mark for deletion."""
        await asyncio.to_thread(self._catalog.mark_deleting, request.id)
        self._changes.notify()
        self._reconciler.work_arrived()
        return catalog_pb2.DeleteImageResponse()

    async def GetJob(self, request: catalog_pb2.GetJobRequest, context: Context) -> catalog_pb2.Job:
        """Progress of a job."""
        return job_message(await asyncio.to_thread(self._jobs.get, request.job_id))

    async def WatchJob(
        self, request: catalog_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[catalog_pb2.Job]:
        """Progress of a job until it is done."""
        async for job in self._jobs.watch(request.job_id):
            yield job_message(job)

    async def GetCatalogStats(
        self, request: catalog_pb2.GetCatalogStatsRequest, context: Context
    ) -> catalog_pb2.CatalogStats:
        """Sizes."""
        stats = await asyncio.to_thread(self._catalog.stats)
        return catalog_pb2.CatalogStats(
            by_state=stats.by_state,
            total=stats.total,
            size_bytes=stats.size_bytes,
            documents=stats.documents,
            pages=stats.pages,
            to_read=stats.to_read,
        )

    async def ClaimWork(
        self, request: catalog_pb2.ClaimWorkRequest, context: Context
    ) -> catalog_pb2.ClaimWorkResponse:
        """Work for a worker."""
        offer = Offer(
            reads=request.reads,
            document_encoder=plain_spec(request.document_encoder)
            if request.HasField("document_encoder")
            else None,
            describer=plain_describer(request),
        )
        claim = await asyncio.to_thread(
            self._claims.claim, request.claim_id, request.limit, request.lease_s, offer
        )

        def records(images: Iterable[Image]) -> list[catalog_pb2.ImageRecord]:
            return [
                record_message(
                    image, claim.texts.get(image.id, ""), claim.descriptions.get(image.id)
                )
                for image in images
            ]

        def beside(work: ReindexClaim | None) -> catalog_pb2.ReindexWork | None:
            if work is None:
                return None
            return catalog_pb2.ReindexWork(
                encoder=spec_message(work.spec), images=records(work.images)
            )

        return catalog_pb2.ClaimWorkResponse(
            to_index=records(claim.to_index),
            to_refresh=records(claim.to_refresh),
            to_delete=claim.to_delete,
            more=claim.more,
            reindex=beside(claim.reindex),
            switch_to=claim.switch_to and spec_message(claim.switch_to),
            to_read=records(claim.to_read),
            documents=beside(claim.documents),
            drop=claim.drop and spec_message(claim.drop),
            to_describe=records(claim.to_describe),
        )

    async def ReportWork(
        self, request: catalog_pb2.ReportWorkRequest, context: Context
    ) -> catalog_pb2.ReportWorkResponse:
        """What became of it."""
        told = Told(
            switched=key_of(plain_spec(request.switched)) if request.HasField("switched") else None,
            dropped=key_of(plain_spec(request.dropped)) if request.HasField("dropped") else None,
        )
        gone = await asyncio.to_thread(self._take_report, request.claim_id, request.results, told)
        self._changes.notify()
        is_described = any(result.HasField("description") for result in request.results)
        rest_s = self._reindexing.rest.after(request.claim_id)
        if told.switched is not None or told.dropped is not None or is_described:
            self._reconciler.work_arrived()
        if rest_s:
            asyncio.get_running_loop().call_later(rest_s, self._reconciler.work_arrived)
        return catalog_pb2.ReportWorkResponse(gone=gone)

    def _take_report(
        self, claim_id: str, messages: Iterable[catalog_pb2.WorkResult], told: Told
    ) -> list[str]:
        """Packing the texts takes a while, so this too is for a thread."""
        return self._claims.report(claim_id, [_result(message) for message in messages], told)

    async def StartReindex(
        self, request: catalog_pb2.StartReindexRequest, context: Context
    ) -> catalog_pb2.Reindex:
        """Begin to move to another encoder."""
        status = await asyncio.to_thread(
            self._reindexing.start,
            plain_spec(request.candidate),
            plain_spec(request.active) if request.HasField("active") else None,
            request.hold,
        )
        self._reconciler.work_arrived()
        return reindex_message(status)

    async def GetReindex(
        self, request: catalog_pb2.GetReindexRequest, context: Context
    ) -> catalog_pb2.Reindex:
        """How far it is."""
        return reindex_message(await asyncio.to_thread(self._reindexing.status))

    async def SwitchEncoder(
        self, request: catalog_pb2.SwitchEncoderRequest, context: Context
    ) -> catalog_pb2.Reindex:
        """To the candidate, or back."""
        status = await asyncio.to_thread(self._reindexing.switch, request.back)
        self._changes.notify()
        self._reconciler.work_arrived()
        return reindex_message(status)

    async def ForgetEncoder(
        self, request: catalog_pb2.ForgetEncoderRequest, context: Context
    ) -> catalog_pb2.Reindex:
        """Give the candidate up, or the encoder before."""
        return reindex_message(await asyncio.to_thread(self._reindexing.forget, request.previous))

    async def RequestDescriptions(
        self, request: catalog_pb2.RequestDescriptionsRequest, context: Context
    ) -> catalog_pb2.RequestDescriptionsResponse:
        """Have pictures described."""
        counted = await asyncio.to_thread(self._descriptions.request, plain_wish(request))
        self._reconciler.work_arrived()
        return counted_message(counted)

    async def GetDescriptions(
        self, request: catalog_pb2.GetDescriptionsRequest, context: Context
    ) -> catalog_pb2.DescriptionProgress:
        """How far they are."""
        return progress_message(await asyncio.to_thread(self._descriptions.progress, request.model))

    async def StopDescriptions(
        self, request: catalog_pb2.StopDescriptionsRequest, context: Context
    ) -> catalog_pb2.StopDescriptionsResponse:
        """No more of them."""
        stopped = await asyncio.to_thread(self._descriptions.stop)
        return catalog_pb2.StopDescriptionsResponse(stopped=stopped)

    async def DumpCatalogue(
        self, request: catalog_pb2.DumpCatalogueRequest, context: Context
    ) -> AsyncIterator[catalog_pb2.DumpCatalogueResponse]:
        """The catalogue as it is now, for a backup."""
        async for message in dump(self._catalog.snapshot()):
            yield message


def _result(result: catalog_pb2.WorkResult) -> Result:
    outcome = _OUTCOMES.get(result.outcome)
    if outcome is None:
        raise InvalidRequest(
            field="outcome",
            value=str(result.outcome),
            allowed=", ".join(known.value for known in Outcome),
        )
    return Result(
        id=result.id,
        outcome=outcome,
        reason=result.reason,
        version=result.version,
        encoder=result.encoder,
        text=packed(plain_text(result.text)) if result.HasField("text") else None,
        description=plain_description(result.description)
        if result.HasField("description")
        else None,
        took_s=result.took_s,
        model=result.model,
    )


def _edited(request: catalog_pb2.UpdateImageRequest) -> Described | Literal["kept"] | None:
    """What somebody wrote; None: it is to go."""
    if not request.HasField("description"):
        return "kept"
    return plain_description(request.description) if request.description.caption else None


def _plain(metadata: Struct) -> dict[str, Any]:
    try:
        return MessageToDict(metadata)
    except (SerializeToJsonError, ValueError):  # NaN, Infinity
        raise InvalidRequest(
            field="metadata", value="a number that JSON has not", allowed="finite numbers"
        ) from None
