"""An original becomes a row, or comes again to the one it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, exists, insert, literal, select
from sqlalchemy.orm import Session

from upload_service import documents
from upload_service.encoder_rows import forget_vectors
from upload_service.kinds import DOCUMENT, PICTURE
from upload_service.states import DELETING, FAILED, STORED
from upload_service.tables import Image, ImageTag, JobImage
from upload_service.tables import Job as JobRow
from viewfinder.pictures import PictureInfo


@dataclass(frozen=True)
class Arrival:
    """An original that lies under its key, about to become a row, and a row for every page."""

    id: str
    sha256: str
    blob_key: str
    size_bytes: int
    info: PictureInfo
    file_name: str
    file_path: str
    tags: list[str]
    metadata: dict[str, Any]
    password: str = field(default="", repr=False)
    describe: bool = False


def is_whole(session: Session, row: Image, password: str) -> bool:
    """Whether nothing need be done for an original that comes again, not even look at it."""
    if row.state in (FAILED, DELETING):
        return False
    if row.kind != DOCUMENT:
        return True
    return password in ("", row.password) and not documents.has_failed_pages(session, row)


def take_new(session: Session, arrival: Arrival, now: float) -> Image:
    """The row of an original that was never here, and those of its pages."""
    is_document = bool(arrival.info.pages)
    row = Image(
        id=arrival.id,
        kind=DOCUMENT if is_document else PICTURE,
        sha256=arrival.sha256,
        state=STORED,
        failure="",
        uploaded_at=now,
        version=1,
        indexed_version=0,
        work_due=None if is_document else now,
        lost_claims=0,
        retries=0,
        tags=[],
        password=arrival.password,
    )
    _describe(row, arrival)
    session.add(row)
    session.flush()
    set_tags(session, row, arrival.tags)
    documents.add_pages(session, row, arrival.info.pages, now)
    return row


def take_again(session: Session, row: Image, arrival: Arrival, now: float) -> bool:
    """An original whose row is there. Whether it is a duplicate: what was being deleted is not."""
    if row.kind == DOCUMENT and arrival.password not in ("", row.password):
        documents.set_password(session, row, arrival.password)
    was = row.state
    if is_whole(session, row, ""):
        return True
    if was == DELETING:
        forget_vectors(session, row)
        _describe(row, arrival)
        set_tags(session, row, arrival.tags)
        row.uploaded_at = now
        row.version += 1
    row.state, row.failure, row.indexed_at, row.indexed_version = STORED, "", None, 0
    row.lost_claims, row.retries = 0, 0
    if row.kind == DOCUMENT:
        row.claim_id, row.work_due = None, None
        documents.retake_pages(session, row, (DELETING,) if was == DELETING else (FAILED,), now)
        documents.add_pages(session, row, arrival.info.pages, now)
        session.flush()
        documents.follow(session, [row.id], now)
    # A worker may be deleting it right now: it is indexed after that report, or its lease.
    elif row.claim_id is None:
        row.work_due = now
    return was != DELETING


def set_tags(session: Session, row: Image, tags: Sequence[str]) -> None:
    """Of a picture or document; pages are found by those of their document."""
    row.tags = [*tags]
    session.execute(delete(ImageTag).where(ImageTag.seq == row.seq))
    session.add_all(ImageTag(tag=tag, seq=row.seq) for tag in tags)


def join_job(session: Session, job_id: str, row: Image, now: float) -> None:
    """The job counts it, or in the place of a document all its pages."""
    if session.get(JobRow, job_id) is None:
        session.add(JobRow(id=job_id, created_at=now))
    session.flush()
    counted = Image.document_id == row.id if row.kind == DOCUMENT else Image.id == row.id
    is_in = exists().where(JobImage.job_id == job_id, JobImage.image_id == Image.id)
    new = select(literal(job_id), Image.id).where(counted, ~is_in)
    session.execute(insert(JobImage).from_select(["job_id", "image_id"], new))


def _describe(row: Image, arrival: Arrival) -> None:
    exif = arrival.info.exif
    row.blob_key = arrival.blob_key
    row.file_name, row.file_path = arrival.file_name, arrival.file_path
    row.media_type, row.size_bytes = arrival.info.media_type, arrival.size_bytes
    row.width, row.height = arrival.info.width, arrival.info.height
    row.pages = len(arrival.info.pages)
    row.user_metadata = arrival.metadata
    row.exif = {
        "taken_at": exif.taken_at,
        "camera_make": exif.camera_make,
        "camera_model": exif.camera_model,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "orientation": exif.orientation,
    }
