"""Documents and their pages: rows that come, change and go together.

A document's row is never embedded. It waits while a page waits, is indexed when none does any more,
and has failed when all of them have; whoever changes pages calls `follow` in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from upload_service.kinds import DOCUMENT, PAGE
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STORED
from upload_service.tables import Image, ImageVector
from viewfinder.ids import page_id
from viewfinder.pictures import PageSize

_AT_ONCE = 500
_QUIETLY = {"synchronize_session": False}  # nobody has loaded these pages


def add_pages(session: Session, document: Image, sizes: Sequence[PageSize], now: float) -> None:
    """A row for every page that has none. `document` has its `seq` already."""
    there = set(session.scalars(select(Image.page).where(Image.document_id == document.id)).all())
    of_all: dict[str, Any] = {
        "kind": PAGE,
        "sha256": document.sha256,
        "blob_key": document.blob_key,
        "state": STORED,
        "failure": "",
        "file_name": document.file_name,
        "file_path": document.file_path,
        "media_type": document.media_type,
        "size_bytes": 0,
        "tags": document.tags,
        "metadata": document.user_metadata,
        "exif": document.exif,
        "uploaded_at": document.uploaded_at,
        "version": document.version,
        "work_due": now,
        "document_id": document.id,
        "pages": document.pages,
        "password": document.password,
    }
    document_uuid = UUID(document.id)
    rows = [
        {
            **of_all,
            "id": str(page_id(document_uuid, number)),
            "page": number,
            "width": size.width,
            "height": size.height,
        }
        for number, size in enumerate(sizes, 1)
        if number not in there
    ]
    if rows:
        session.execute(insert(Image.__table__), rows)  # type: ignore[arg-type]


def retake_pages(session: Session, document: Image, states: Collection[str], now: float) -> None:
    """Its pages in one of these states wait to be indexed again, as it is described now."""
    of_them = (Image.document_id == document.id, Image.state.in_(states))
    if DELETING in states:
        seqs = select(Image.seq).where(*of_them)
        session.execute(
            delete(ImageVector).where(ImageVector.seq.in_(seqs)).execution_options(**_QUIETLY)
        )
    session.execute(
        update(Image)
        .where(*of_them)
        .values(
            state=STORED,
            failure="",
            indexed_at=None,
            indexed_version=0,
            lost_claims=0,
            retries=0,
            # A worker may be deleting it right now: it is indexed after that report, or its lease.
            work_due=case((Image.claim_id.is_(None), now), else_=Image.work_due),
            file_name=document.file_name,
            file_path=document.file_path,
            tags=document.tags,
            user_metadata=document.user_metadata,
            uploaded_at=document.uploaded_at,
            version=Image.version + 1,
        )
        .execution_options(**_QUIETLY)
    )


def update_pages(session: Session, document: Image, now: float) -> None:
    """Its tags and metadata go to its pages, and those that are in the index there too."""
    is_free = (Image.state == INDEXED) & Image.claim_id.is_(None)
    session.execute(
        update(Image)
        .where(Image.document_id == document.id)
        .values(
            tags=document.tags,
            user_metadata=document.user_metadata,
            version=Image.version + 1,
            work_due=case((is_free, now), else_=Image.work_due),
        )
        .execution_options(**_QUIETLY)
    )


def set_password(session: Session, document: Image, password: str) -> None:
    """Another one that opens it too."""
    document.password = password
    session.execute(
        update(Image)
        .where(Image.document_id == document.id)
        .values(password=password)
        .execution_options(**_QUIETLY)
    )


def has_failed_pages(session: Session, document: Image) -> bool:
    """Whether a page of it could not be indexed."""
    failed = select(Image.seq).where(Image.document_id == document.id, Image.state == FAILED)
    return session.scalar(failed.limit(1)) is not None


def mark_pages_deleting(session: Session, document: Image, now: float) -> None:
    """All its pages are to be removed; `settle_deleted` then has its own row follow."""
    session.execute(
        update(Image)
        .where(Image.document_id == document.id)
        .values(
            state=DELETING,
            claim_id=None,
            lost_claims=0,
            retries=0,
            work_due=now,
            read_due=None,
            read_claim_id=None,
        )
        .execution_options(**_QUIETLY)
    )


def settle_deleted(session: Session, document_ids: Collection[str], now: float) -> None:
    """Those that are being deleted and have no page any more are themselves due."""
    has_pages = select(Image.document_id).where(Image.document_id.in_(document_ids))
    waiting = select(Image).where(
        Image.id.in_(document_ids),
        Image.state == DELETING,
        Image.work_due.is_(None),
        Image.id.not_in(has_pages),
    )
    for document in session.scalars(waiting):
        document.work_due = now


def has_pages(session: Session, document: Image) -> bool:
    """Whether a row of one of its pages is there."""
    pages = select(Image.seq).where(Image.document_id == document.id)
    return session.scalar(pages.limit(1)) is not None


def follow(session: Session, document_ids: Collection[str], now: float) -> None:
    """The state of these documents is made that of their pages; not of those being deleted."""
    if not document_ids:
        return
    counts: dict[str | None, dict[str, int]] = defaultdict(dict)
    by_state = (
        select(Image.document_id, Image.state, func.count())
        .where(Image.document_id.in_(document_ids))
        .group_by(Image.document_id, Image.state)
    )
    for document_id, state, count in session.execute(by_state):
        counts[document_id][state] = count
    documents = select(Image).where(Image.id.in_(document_ids), Image.state != DELETING)
    for document in session.scalars(documents):
        _follow(session, document, counts[document.id], now)


def _follow(session: Session, document: Image, pages: dict[str, int], now: float) -> None:
    document.pages_done = pages.get(INDEXED, 0) + pages.get(FAILED, 0)
    if pages.get(STORED) or pages.get(QUEUED):
        document.state, document.failure, document.indexed_at = STORED, "", None
    elif pages.get(INDEXED):
        if document.state != INDEXED:
            document.state, document.failure, document.indexed_at = INDEXED, "", now
    elif pages.get(FAILED):
        document.state, document.indexed_at = FAILED, None
        document.failure = _first_failure(session, document)


def _first_failure(session: Session, document: Image) -> str:
    first = (
        select(Image.page, Image.failure)
        .where(Image.document_id == document.id, Image.state == FAILED)
        .order_by(Image.page)
        .limit(1)
    )
    page, failure = session.execute(first).one()
    return f"page {page}: {failure}"


def follow_all(session: Session, now: float) -> None:
    """After a change of many pages at once."""
    ids = list(session.scalars(select(Image.id).where(Image.kind == DOCUMENT)))
    for start in range(0, len(ids), _AT_ONCE):
        follow(session, ids[start : start + _AT_ONCE], now)


def documents_of(rows: Iterable[Image]) -> set[str]:
    """Whose pages these are."""
    return {row.document_id for row in rows if row.document_id is not None}


def in_order(document_id: str) -> Select[Image]:
    """The pages of a document, the first one first."""
    return select(Image).where(Image.document_id == document_id).order_by(Image.page)
