"""The catalogue: what pictures there are and how far each has come.

Plain functions over SQLAlchemy sessions; blocking, to be called from a thread.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from upload_service.database import Writer
from upload_service.encoder_rows import forget_vectors
from upload_service.snapshot import Snapshot, snapshot
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STATES, STORED
from upload_service.tables import Image, ImageTag, JobImage
from upload_service.tables import Job as JobRow
from viewfinder.errors import ImageNotFound, InvalidRequest, MetadataTooLarge
from viewfinder.ids import image_id as id_of
from viewfinder.pictures import PictureInfo

MAX_IDS = 1000
MAX_PAGE = 200
MAX_TAGS = 100
MAX_TAG_CHARS = 100


@dataclass(frozen=True)
class Arrival:
    """An original that lies under its key, about to become a row."""

    id: str
    sha256: str
    blob_key: str
    size_bytes: int
    info: PictureInfo
    file_name: str
    file_path: str
    tags: list[str]
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of pictures, newest first."""

    images: list[Image]
    next_cursor: str
    total: int


@dataclass(frozen=True)
class CatalogStats:
    """Sizes; `total` and `size_bytes` leave out what is being deleted."""

    by_state: dict[str, int]
    total: int
    size_bytes: int


class Catalog:
    """Reads go to the engine, changes through the writer. `clock` gives seconds since 1970."""

    def __init__(
        self, engine: Engine, writer: Writer, max_metadata_bytes: int, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._max_metadata_bytes = max_metadata_bytes
        self._clock = clock

    # --- pictures ---

    def get(self, ids: Sequence[str]) -> list[Image]:
        """Those that are there, in the order asked for; what is being deleted is not there."""
        if len(ids) > MAX_IDS:
            raise InvalidRequest(
                field="ids", value=f"{len(ids)} ids", allowed=f"at most {MAX_IDS} ids"
            )
        with Session(self._engine) as session:
            rows = session.scalars(select(Image).where(Image.id.in_(ids), Image.state != DELETING))
            found = {row.id: row for row in rows}
        return [found[image_id] for image_id in dict.fromkeys(ids) if image_id in found]

    def page(self, limit: int, cursor: str, states: Sequence[str], tags: Sequence[str]) -> Page:
        """A page, newest first. A cursor stays right while pictures come and go.

        Raises:
            InvalidRequest: limit, cursor or state is not allowed.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(field="limit", value=str(limit), allowed=f"1 to {MAX_PAGE}")
        for state in states:
            if state not in STATES:
                raise InvalidRequest(field="state", value=repr(state), allowed=", ".join(STATES))
        matching = select(Image).where(
            Image.state.in_(states) if states else Image.state != DELETING
        )
        for tag in dict.fromkeys(tags):
            tagged = select(ImageTag.seq).where(ImageTag.tag == tag)
            matching = matching.where(Image.seq.in_(tagged))
        page = matching.order_by(Image.seq.desc()).limit(limit + 1)
        if cursor:
            page = page.where(Image.seq < _seq_of(cursor))
        with Session(self._engine) as session:
            total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
            rows = list(session.scalars(page))
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(rows, _cursor_of(rows[-1].seq) if more else "", total)

    def known_duplicate(self, image_id: str, job_id: str) -> Image | None:
        """The picture with this id when nothing need be done for it; it joins the job."""

        def change(session: Session) -> Image | None:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state in (FAILED, DELETING):
                return None
            self._join_job(session, job_id, image_id)
            return row

        return self._writer.write(change)

    def add(
        self, arrival: Arrival, job_id: str, keep_blob: Callable[[], None]
    ) -> tuple[Image, bool]:
        """The row of an original, and whether it was there already.

        `keep_blob` moves the bytes to their key; it runs in the writer's turn, so that no deletion
        of the same picture comes between blob and row.

        Raises:
            StorageFull: from `keep_blob`.
        """

        def change(session: Session) -> tuple[Image, bool]:
            now = self._clock()
            row = session.scalar(select(Image).where(Image.id == arrival.id))
            keep_blob()  # also when the row is there: its original may have been lost
            if row is not None and row.state not in (FAILED, DELETING):
                self._join_job(session, job_id, row.id)
                return row, True
            if row is None:
                row = _new_row(arrival, now)
                session.add(row)
                session.flush()
                _set_tags(session, row, arrival.tags)
                self._join_job(session, job_id, row.id)
                return row, False
            duplicate = row.state == FAILED
            if row.state == DELETING:
                forget_vectors(session, row)
                _describe(row, arrival)
                _set_tags(session, row, arrival.tags)
                row.uploaded_at = now
                row.version += 1
            row.state, row.failure, row.indexed_at, row.indexed_version = STORED, "", None, 0
            row.lost_claims, row.retries = 0, 0
            # A worker may be deleting it right now: it is indexed after that report, or its lease.
            if row.claim_id is None:
                row.work_due = now
            self._join_job(session, job_id, row.id)
            return row, duplicate

        return self._writer.write(change)

    def update(
        self, image_id: str, tags: Sequence[str] | None, metadata: dict[str, Any] | None
    ) -> Image:
        """Replace tags, metadata or both; the index follows.

        Raises:
            ImageNotFound: there is none.
            MetadataTooLarge: over the limits.
        """
        clean_tags = None if tags is None else self.checked_tags(tags)
        if metadata is not None:
            self.check_metadata(metadata)

        def change(session: Session) -> Image:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state == DELETING:
                raise ImageNotFound(image_id=image_id)
            if clean_tags is not None:
                _set_tags(session, row, clean_tags)
            if metadata is not None:
                row.user_metadata = metadata
            row.version += 1
            if row.state == INDEXED and row.claim_id is None:
                row.work_due = self._clock()
            return row

        return self._writer.write(change)

    def mark_deleting(self, image_id: str) -> None:
        """From now on the picture is gone for everybody but the workers that remove it.

        Raises:
            ImageNotFound: there is none.
        """

        def change(session: Session) -> None:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state == DELETING:
                raise ImageNotFound(image_id=image_id)
            row.state = DELETING
            row.claim_id, row.lost_claims, row.retries = None, 0, 0
            row.work_due = self._clock()

        self._writer.write(change)

    def stats(self) -> CatalogStats:
        """How many pictures and bytes."""
        with Session(self._engine) as session:
            rows = session.execute(
                select(Image.state, func.count(), func.sum(Image.size_bytes)).group_by(Image.state)
            ).all()
        by_state = {state: count for state, count, _ in rows}
        return CatalogStats(
            by_state=by_state,
            total=sum(count for state, count in by_state.items() if state != DELETING),
            size_bytes=sum(size for state, _, size in rows if state != DELETING),
        )

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A copy of all that is committed, see `snapshot.snapshot`."""
        return snapshot(Path(str(self._engine.url.database)))

    # --- repair ---

    def drop_orphans(self, keys: Sequence[str], drop_blob: Callable[[str], None]) -> int:
        """Drop those of these originals that no row names; returns how many.

        In the writer's turn, so that no upload takes one over between look and drop.
        """
        ids = {str(id_of(bytes.fromhex(key[3:67]))): key for key in keys}

        def change(session: Session) -> int:
            named = set(session.scalars(select(Image.blob_key).where(Image.id.in_(ids))))
            orphans = [key for key in keys if key not in named]
            for key in orphans:
                drop_blob(key)
            return len(orphans)

        return self._writer.write(change)

    def waiting(self) -> list[tuple[str, str]]:
        """Id and blob key of every picture that is yet to be indexed."""
        with Session(self._engine) as session:
            rows = session.execute(
                select(Image.id, Image.blob_key).where(Image.state.in_((STORED, QUEUED)))
            )
            return [(image_id, key) for image_id, key in rows]

    def fail_without_original(self, image_id: str, exists: Callable[[str], bool]) -> bool:
        """Whether the picture still waits and its original is lost; it then fails, so that it can
        be sent again."""

        def change(session: Session) -> bool:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state not in (STORED, QUEUED) or exists(row.blob_key):
                return False
            row.state, row.failure = FAILED, "its original is missing; send it again"
            row.claim_id, row.work_due = None, None
            return True

        return self._writer.write(change)

    # --- limits ---

    def checked_tags(self, tags: Sequence[str]) -> list[str]:
        """The tags without blanks around them and repetitions.

        Raises:
            MetadataTooLarge: too many or too long.
        """
        clean = [tag for tag in dict.fromkeys(tag.strip() for tag in tags) if tag]
        if len(clean) > MAX_TAGS:
            raise MetadataTooLarge(what="number of tags", size=len(clean), limit=MAX_TAGS)
        longest = max((len(tag) for tag in clean), default=0)
        if longest > MAX_TAG_CHARS:
            raise MetadataTooLarge(what="characters of a tag", size=longest, limit=MAX_TAG_CHARS)
        return clean

    def check_metadata(self, metadata: dict[str, Any]) -> None:
        """
        Raises:
            MetadataTooLarge: more than the limit as JSON.
        """
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
        if size > self._max_metadata_bytes:
            raise MetadataTooLarge(
                what="bytes of metadata", size=size, limit=self._max_metadata_bytes
            )

    def _join_job(self, session: Session, job_id: str, image_id: str) -> None:
        if session.get(JobRow, job_id) is None:
            session.add(JobRow(id=job_id, created_at=self._clock()))
            session.flush()
        if session.get(JobImage, (job_id, image_id)) is None:
            session.add(JobImage(job_id=job_id, image_id=image_id))


def _new_row(arrival: Arrival, now: float) -> Image:
    row = Image(
        id=arrival.id,
        sha256=arrival.sha256,
        state=STORED,
        failure="",
        uploaded_at=now,
        version=1,
        indexed_version=0,
        work_due=now,
        lost_claims=0,
        retries=0,
        tags=[],
    )
    _describe(row, arrival)
    return row


def _describe(row: Image, arrival: Arrival) -> None:
    exif = arrival.info.exif
    row.blob_key = arrival.blob_key
    row.file_name, row.file_path = arrival.file_name, arrival.file_path
    row.media_type, row.size_bytes = arrival.info.media_type, arrival.size_bytes
    row.width, row.height = arrival.info.width, arrival.info.height
    row.user_metadata = arrival.metadata
    row.exif = {
        "taken_at": exif.taken_at,
        "camera_make": exif.camera_make,
        "camera_model": exif.camera_model,
        "latitude": exif.latitude,
        "longitude": exif.longitude,
        "orientation": exif.orientation,
    }


def _set_tags(session: Session, row: Image, tags: Sequence[str]) -> None:
    row.tags = [*tags]
    session.execute(delete(ImageTag).where(ImageTag.seq == row.seq))
    session.add_all(ImageTag(tag=tag, seq=row.seq) for tag in tags)


def _cursor_of(seq: int) -> str:
    return base64.urlsafe_b64encode(f"v1:{seq}".encode()).decode().rstrip("=")


def _seq_of(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        version, seq = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(":")
        if version == "v1":
            return int(seq)
    except ValueError:
        pass
    raise InvalidRequest(field="cursor", value=repr(cursor[:80]), allowed="one from a list answer")
