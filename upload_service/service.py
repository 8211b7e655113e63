"""The adapter: protobuf in, plain Python through, protobuf out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from upload_service.catalog import Catalog
from upload_service.claims import Claims, Outcome, Result
from upload_service.dump import dump
from upload_service.intake import Header, Intake
from upload_service.jobs import Changes, Job, Jobs
from upload_service.reconciler import Reconciler
from upload_service.reindex_wire import plain_spec, reindex_message, spec_message
from upload_service.reindexing import Reindexing, key_of
from upload_service.tables import Image
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import catalog_pb2, catalog_pb2_grpc, upload_pb2, upload_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]

_OUTCOMES = {
    catalog_pb2.WorkResult.OUTCOME_INDEXED: Outcome.INDEXED,
    catalog_pb2.WorkResult.OUTCOME_FAILED: Outcome.FAILED,
    catalog_pb2.WorkResult.OUTCOME_RETRY: Outcome.RETRY,
    catalog_pb2.WorkResult.OUTCOME_DELETED: Outcome.DELETED,
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
        )
        taken = await self._intake.take(header, _chunks(parts))
        return upload_pb2.UploadResponse(
            image=_record(taken.image), duplicate=taken.duplicate, job_id=taken.job_id
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
    ) -> None:
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
        images = await asyncio.to_thread(self._catalog.get, list(request.ids))
        return catalog_pb2.GetImagesResponse(images=[_record(image) for image in images])

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
        )
        return catalog_pb2.ListImagesResponse(
            images=[_record(image) for image in page.images],
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
        )
        self._reconciler.work_arrived()
        return _record(image)

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
        return _job(await asyncio.to_thread(self._jobs.get, request.job_id))

    async def WatchJob(
        self, request: catalog_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[catalog_pb2.Job]:
        """Progress of a job until it is done."""
        async for job in self._jobs.watch(request.job_id):
            yield _job(job)

    async def GetCatalogStats(
        self, request: catalog_pb2.GetCatalogStatsRequest, context: Context
    ) -> catalog_pb2.CatalogStats:
        """Sizes."""
        stats = await asyncio.to_thread(self._catalog.stats)
        return catalog_pb2.CatalogStats(
            by_state=stats.by_state, total=stats.total, size_bytes=stats.size_bytes
        )

    async def ClaimWork(
        self, request: catalog_pb2.ClaimWorkRequest, context: Context
    ) -> catalog_pb2.ClaimWorkResponse:
        """Work for a worker."""
        claim = await asyncio.to_thread(
            self._claims.claim, request.claim_id, request.limit, request.lease_s
        )
        return catalog_pb2.ClaimWorkResponse(
            to_index=[_record(image) for image in claim.to_index],
            to_refresh=[_record(image) for image in claim.to_refresh],
            to_delete=claim.to_delete,
            more=claim.more,
            reindex=None
            if claim.reindex is None
            else catalog_pb2.ReindexWork(
                encoder=spec_message(claim.reindex.spec),
                images=[_record(image) for image in claim.reindex.images],
            ),
            switch_to=None if claim.switch_to is None else spec_message(claim.switch_to),
        )

    async def ReportWork(
        self, request: catalog_pb2.ReportWorkRequest, context: Context
    ) -> catalog_pb2.ReportWorkResponse:
        """What became of it."""
        results = [_result(result) for result in request.results]
        switched = key_of(plain_spec(request.switched)) if request.HasField("switched") else None
        gone = await asyncio.to_thread(self._claims.report, request.claim_id, results, switched)
        self._changes.notify()
        rest_s = self._reindexing.rest_after(request.claim_id)
        if switched is not None:
            self._reconciler.work_arrived()
        if rest_s:
            asyncio.get_running_loop().call_later(rest_s, self._reconciler.work_arrived)
        return catalog_pb2.ReportWorkResponse(gone=gone)

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
    )


def _plain(metadata: Struct) -> dict[str, Any]:
    try:
        return MessageToDict(metadata)
    except (SerializeToJsonError, ValueError):  # NaN, Infinity
        raise InvalidRequest(
            field="metadata", value="a number that JSON has not", allowed="finite numbers"
        ) from None


def _timestamp(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromNanoseconds(int(seconds * 1e9))
    return stamp


def _record(image: Image) -> catalog_pb2.ImageRecord:
    metadata = Struct()
    metadata.update(image.user_metadata)
    exif = image.exif
    return catalog_pb2.ImageRecord(
        id=image.id,
        sha256=image.sha256,
        state=image.state,
        failure=image.failure,
        file_name=image.file_name,
        file_path=image.file_path,
        media_type=image.media_type,
        size_bytes=image.size_bytes,
        width=image.width,
        height=image.height,
        tags=image.tags,
        metadata=metadata,
        exif=catalog_pb2.Exif(
            taken_at=exif.get("taken_at") or "",
            camera_make=exif.get("camera_make") or "",
            camera_model=exif.get("camera_model") or "",
            latitude=exif.get("latitude"),
            longitude=exif.get("longitude"),
            orientation=exif.get("orientation") or 0,
        ),
        uploaded_at=_timestamp(image.uploaded_at),
        indexed_at=_timestamp(image.indexed_at),
        blob_key=image.blob_key,
        version=image.version,
    )


def _job(job: Job) -> catalog_pb2.Job:
    return catalog_pb2.Job(
        job_id=job.job_id,
        total=job.total,
        stored=job.stored,
        indexed=job.indexed,
        failed=job.failed,
        gone=job.gone,
        done=job.done,
        failures=[
            catalog_pb2.JobFailure(
                image_id=failure.image_id, file_name=failure.file_name, reason=failure.reason
            )
            for failure in job.failures
        ],
        created_at=_timestamp(job.created_at),
    )
