"""The catalogue: what pictures there are and how far each has come.

Plain functions over SQLAlchemy sessions; blocking, to be called from a thread.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from upload_service import documents
from upload_service.arrivals import Arrival, is_whole, join_job, set_tags, take_again, take_new
from upload_service.database import Writer
from upload_service.description_requests import ask_for
from upload_service.descriptions import Described, descriptions_of, edit
from upload_service.kinds import DOCUMENT, EMBEDDED, PAGE
from upload_service.snapshot import Snapshot, snapshot
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STATES, STORED
from upload_service.tables import Image, ImageTag
from upload_service.texts import ReadText, stored_text
from viewfinder.errors import ImageNotFound, InvalidRequest, MetadataTooLarge, PageOfDocument
from viewfinder.ids import image_id as id_of

MAX_IDS = 1000
MAX_PAGE = 200
MAX_TAGS = 100
MAX_TAG_CHARS = 100


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    images: list[Image]
    next_cursor: str
    total: int


@dataclass(frozen=True)
class CatalogStats:
    """How many pictures and pages, of how many bytes; all but `by_state` leave out what is being
    deleted. `to_read` of them wait to be read."""

    by_state: dict[str, int]
    total: int
    size_bytes: int
    documents: int
    pages: int
    to_read: int


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

    def page(
        self,
        limit: int,
        cursor: str,
        states: Sequence[str],
        tags: Sequence[str],
        document_id: str = "",
    ) -> Page:
        """Pictures and documents, the newest first, or the pages of one document, the first one
        first. A cursor stays right while they come and go.

        Raises:
            InvalidRequest: limit, cursor or state is not allowed.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(field="limit", value=str(limit), allowed=f"1 to {MAX_PAGE}")
        for state in states:
            if state not in STATES:
                raise InvalidRequest(field="state", value=repr(state), allowed=", ".join(STATES))
        matching = select(Image).where(
            Image.state.in_(states) if states else Image.state != DELETING,
            Image.document_id == document_id if document_id else Image.document_id.is_(None),
        )
        for tag in dict.fromkeys(tags):
            tagged = select(ImageTag.seq).where(ImageTag.tag == tag)
            if document_id:  # its pages have its tags
                tagged = tagged.join(Image, Image.seq == ImageTag.seq)
                matching = matching.where(tagged.where(Image.id == document_id).exists())
            else:
                matching = matching.where(Image.seq.in_(tagged))
        after = _position_of(cursor) if cursor else None
        if document_id:
            page = matching.order_by(Image.page)
            page = page if after is None else page.where(Image.page > after)
        else:
            page = matching.order_by(Image.seq.desc())
            page = page if after is None else page.where(Image.seq < after)
        with Session(self._engine) as session:
            total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
            rows = list(session.scalars(page.limit(limit + 1)))
        more = len(rows) > limit
        rows = rows[:limit]
        last = (rows[-1].page if document_id else rows[-1].seq) if more else 0
        return Page(rows, _cursor_of(last) if more else "", total)

    def text(self, image_id: str) -> ReadText | None:
        """What was read in a picture or on a page, None when nothing was (yet).

        Raises:
            ImageNotFound: there is none.
        """
        with Session(self._engine) as session:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state == DELETING:
                raise ImageNotFound(image_id=image_id)
            return stored_text(session, row)

    def descriptions(self, images: Sequence[Image]) -> dict[str, Described]:
        """What they show, by id, of those that are described."""
        with Session(self._engine) as session:
            return descriptions_of(session, images)

    def known_duplicate(
        self, image_id: str, job_id: str, password: str = "", describe: bool = False
    ) -> Image | None:
        """The original with this id when nothing need be done for it; it joins the job."""

        def change(session: Session) -> Image | None:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or not is_whole(session, row, password):
                return None
            join_job(session, job_id, row, self._clock())
            if describe:
                ask_for(session, row, self._clock())
            return row

        return self._writer.write(change)

    def add(
        self, arrival: Arrival, job_id: str, keep_blob: Callable[[], None]
    ) -> tuple[Image, bool]:
        """The row of an original, and whether it was there already; of a document its pages too.

        `keep_blob` moves the bytes to their key; it runs in the writer's turn, so that no deletion
        of the same picture comes between blob and row.

        Raises:
            StorageFull: from `keep_blob`.
        """

        def change(session: Session) -> tuple[Image, bool]:
            now = self._clock()
            row = session.scalar(select(Image).where(Image.id == arrival.id))
            keep_blob()  # also when the row is there: its original may have been lost
            duplicate = False
            if row is None:
                row = take_new(session, arrival, now)
            else:
                duplicate = take_again(session, row, arrival, now)
            join_job(session, job_id, row, now)
            if arrival.describe:
                ask_for(session, row, now)
            return row, duplicate

        return self._writer.write(change)

    def update(
        self,
        image_id: str,
        tags: Sequence[str] | None,
        metadata: dict[str, Any] | None,
        description: Described | Literal["kept"] | None = "kept",
    ) -> Image:
        """Replace what is given, of a document also those of its pages; the index follows.

        `description`: None takes it away. It is a picture's or a page's own.

        Raises:
            ImageNotFound: there is none.
            PageOfDocument: it has tags and metadata of its document.
            MetadataTooLarge: over the limits.
            InvalidRequest: a description of a document.
        """
        clean_tags = None if tags is None else self.checked_tags(tags)
        if metadata is not None:
            self.check_metadata(metadata)

        def change(session: Session) -> Image:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state == DELETING:
                raise ImageNotFound(image_id=image_id)
            if clean_tags is not None or metadata is not None:
                _refuse_page(row)
            if description != "kept":
                if row.kind == DOCUMENT:
                    raise InvalidRequest("description", "of a document", "one of its pages")
                edit(session, row, description, self._clock())
            if clean_tags is not None:
                set_tags(session, row, clean_tags)
            if metadata is not None:
                row.user_metadata = metadata
            row.version += 1
            if row.kind == DOCUMENT:
                documents.update_pages(session, row, self._clock())
            elif row.state == INDEXED and row.claim_id is None:
                row.work_due = self._clock()
            return row

        return self._writer.write(change)

    def mark_deleting(self, image_id: str) -> None:
        """From now on the picture, or the document with all its pages, is gone for everybody but
        the workers that remove it.

        Raises:
            ImageNotFound: there is none.
            PageOfDocument: it goes with its document only.
        """

        def change(session: Session) -> None:
            row = session.scalar(select(Image).where(Image.id == image_id))
            if row is None or row.state == DELETING:
                raise ImageNotFound(image_id=image_id)
            _refuse_page(row)
            now = self._clock()
            row.state = DELETING
            row.claim_id, row.lost_claims, row.retries = None, 0, 0
            row.read_due, row.read_claim_id = None, None
            if row.kind == DOCUMENT:
                row.work_due = None
                documents.mark_pages_deleting(session, row, now)
                session.flush()
                documents.settle_deleted(session, [row.id], now)
            else:
                row.work_due = now

        self._writer.write(change)

    def stats(self) -> CatalogStats:
        """How many pictures, pages and bytes."""
        with Session(self._engine) as session:
            rows = session.execute(
                select(Image.state, Image.kind, func.count(), func.sum(Image.size_bytes)).group_by(
                    Image.state, Image.kind
                )
            ).all()
            to_read = session.scalar(select(func.count()).where(Image.read_due.is_not(None))) or 0
        kept = [row for row in rows if row[0] != DELETING]
        by_state: Counter[str] = Counter()
        for state, kind, count, _ in rows:
            if kind in EMBEDDED:
                by_state[state] += count
        return CatalogStats(
            by_state=dict(by_state),
            total=sum(count for _, kind, count, _ in kept if kind in EMBEDDED),
            size_bytes=sum(size for *_, size in kept),
            documents=sum(count for _, kind, count, _ in kept if kind == DOCUMENT),
            pages=sum(count for _, kind, count, _ in kept if kind == PAGE),
            to_read=to_read,
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

    def waiting(self) -> list[tuple[str, list[str]]]:
        """Blob keys of what is yet to be indexed, and the ids of the pictures and pages of each."""
        ids: dict[str, list[str]] = defaultdict(list)
        with Session(self._engine) as session:
            rows = session.execute(
                select(Image.blob_key, Image.id).where(
                    Image.state.in_((STORED, QUEUED)), Image.kind.in_(EMBEDDED)
                )
            )
            for key, image_id in rows:
                ids[key].append(image_id)
        return list(ids.items())

    def fail_without_original(
        self, blob_key: str, ids: Sequence[str], exists: Callable[[str], bool]
    ) -> int:
        """How many of these still wait, when their original is lost; they then fail, so that it
        can be sent again."""

        def change(session: Session) -> int:
            if exists(blob_key):
                return 0
            failed = 0
            for start in range(0, len(ids), MAX_IDS):
                of_ids = Image.id.in_(ids[start : start + MAX_IDS])
                rows = session.scalars(
                    select(Image).where(of_ids, Image.state.in_((STORED, QUEUED)))
                ).all()
                for row in rows:
                    row.state, row.failure = FAILED, "its original is missing; send it again"
                    row.claim_id, row.work_due = None, None
                failed += len(rows)
                documents.follow(session, documents.documents_of(rows), self._clock())
            return failed

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


def _refuse_page(row: Image) -> None:
    if row.document_id is not None:
        raise PageOfDocument(image_id=row.id, page=row.page, document_id=row.document_id)


def _cursor_of(position: int) -> str:
    return base64.urlsafe_b64encode(f"v1:{position}".encode()).decode().rstrip("=")


def _position_of(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        version, at = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(":")
        if version == "v1":
            return int(at)
    except ValueError:
        pass
    raise InvalidRequest(field="cursor", value=repr(cursor[:80]), allowed="one from a list answer")
