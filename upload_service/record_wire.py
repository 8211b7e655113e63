"""Rows, jobs and texts as protobuf messages."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from upload_service.descriptions import Described
from upload_service.jobs import Failure, Job
from upload_service.tables import Image
from upload_service.texts import SOURCES, ReadText
from viewfinder.errors import InvalidRequest
from viewfinder.pictures import ReadWord
from viewfinder.v1 import catalog_pb2, common_pb2


def _timestamp(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromNanoseconds(int(seconds * 1e9))
    return stamp


def record_message(
    image: Image, text: str = "", described: Described | None = None
) -> catalog_pb2.ImageRecord:
    """A row, with what stands in it where that is wanted, and what it shows where that is known."""
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
        document_id=image.document_id or "",
        page=image.page,
        pages=image.pages,
        pages_done=image.pages_done,
        text=text,
        text_source=image.text_source,
        password=image.password,
        description=description_message(described) if described else None,
    )


def job_message(job: Job) -> catalog_pb2.Job:
    """How far a job is."""
    return catalog_pb2.Job(
        job_id=job.job_id,
        total=job.total,
        stored=job.stored,
        indexed=job.indexed,
        failed=job.failed,
        gone=job.gone,
        done=job.done,
        failures=[failure_message(failure) for failure in job.failures],
        created_at=_timestamp(job.created_at),
    )


def failure_message(failure: Failure) -> catalog_pb2.JobFailure:
    """A picture that did not work out."""
    return catalog_pb2.JobFailure(
        image_id=failure.image_id, file_name=failure.file_name, reason=failure.reason
    )


def description_message(described: Described) -> catalog_pb2.Description:
    """What a picture shows."""
    return catalog_pb2.Description(
        caption=described.caption,
        objects=described.objects,
        text=described.text,
        colours=described.colours,
        setting=described.setting,
        model=described.model,
        edited=described.edited,
        described_at=_timestamp(described.described_at),
    )


def plain_description(message: catalog_pb2.Description) -> Described:
    """A description that a worker reports, or somebody wrote.

    Raises:
        InvalidRequest: it has no caption, or is too long.
    """
    described = Described(
        caption=message.caption,
        objects=tuple(message.objects),
        text=message.text,
        colours=tuple(message.colours),
        setting=message.setting,
        model=message.model,
    )
    described.check()
    return described


def text_message(text: ReadText) -> common_pb2.ReadText:
    """What was read."""
    return common_pb2.ReadText(
        source=text.source,
        reader=text.reader,
        words=[
            common_pb2.Word(
                text=word.text,
                left=word.left,
                top=word.top,
                right=word.right,
                bottom=word.bottom,
                line=word.line,
                confidence=word.confidence,
            )
            for word in text.words
        ],
    )


def plain_text(message: common_pb2.ReadText) -> ReadText:
    """A text that a worker reports.

    Raises:
        InvalidRequest: its source is unknown.
    """
    if message.source not in SOURCES:
        raise InvalidRequest(
            field="text.source", value=repr(message.source), allowed=", ".join(SOURCES)
        )
    words = [
        ReadWord(
            word.text, word.left, word.top, word.right, word.bottom, word.line, word.confidence
        )
        for word in message.words
    ]
    return ReadText(message.source, words, message.reader)
