"""Reading what stands in pictures and on pages without a text layer: after everything else.

The newest upload comes first, of a document the first page: a collection of before OCR was switched
on takes days, and nobody who uploads something today should wait for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Function, Select, func, literal_column, null, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from upload_service.leases import SUSPECT_AFTER
from upload_service.states import INDEXED
from upload_service.tables import Image, ImageVector
from upload_service.texts import PackedText, keep, nothing_found

log = structlog.get_logger()

MAX_CLAIM = 2  # a dense page takes seconds, and uploads wait for it
MAX_LOST_CLAIMS = 5
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 300.0
_ASK_AGAIN_S = 30.0


class Reading:
    """`clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._can_read = False
        self._asked_at = -_ASK_AGAIN_S

    def offered(self, can_read: bool) -> None:
        """A worker says whether texts can be read."""
        self._can_read, self._asked_at = can_read, self._clock()

    def claim(self, session: Session, claim_id: str, limit: int, lease_s: float) -> list[Image]:
        """Pictures and pages to read, no one else's for `lease_s`; those of this claim first.

        What killed its worker comes alone from the second time on, and counts as read without
        words after `MAX_LOST_CLAIMS`.
        """
        if not self._can_read:
            return []
        now = self._clock()
        limit = min(limit, MAX_CLAIM)
        mine = select(Image).where(
            Image.read_claim_id == claim_id, Image.read_due.is_not(None), Image.state == INDEXED
        )
        rows = list(session.scalars(mine.limit(limit)))
        rows = rows or list(session.scalars(waiting_to_be_read(now).limit(limit)))
        taken: list[Image] = []
        for row in rows:
            if row.read_claim_id is not None:
                row.read_claim_id = None
                row.read_tries += 1
            if row.read_tries >= MAX_LOST_CLAIMS:
                self._give_up(session, row, f"{row.read_tries} workers died or stalled over it")
            elif taken and max(row.read_tries, taken[0].read_tries) >= SUSPECT_AFTER:
                row.read_due = now
            else:
                taken.append(row)
                row.read_claim_id, row.read_due = claim_id, now + lease_s
        return taken

    def is_due(self, session: Session) -> bool:
        """Whether a worker should look: what the last one could do, the next one can too; after a
        while it is asked again."""
        now = self._clock()
        if not self._can_read and now < self._asked_at + _ASK_AGAIN_S:
            return False
        return session.scalar(waiting_to_be_read(now).limit(1)) is not None

    def was_indexed(self, session: Session, row: Image, text: PackedText | None) -> None:
        """It is in the index now, with its text layer where it has one."""
        if text is not None and not text.is_empty:
            keep(session, row, text, self._clock())
        elif not row.text_source and row.read_due is None:
            row.read_due = self._clock()

    def was_read(
        self, session: Session, row: Image, claim_id: str, text: PackedText, version: int
    ) -> None:
        """Its words are known, and the point has them."""
        if row.read_claim_id != claim_id:
            return
        keep(session, row, text, self._clock())
        if _is_being_embedded(session, row):
            row.version += 1  # those points will be of before the text: they are refreshed
        if version < row.version:
            # The payload that came with the words is of before a change, or another's after it of
            # before the words.
            if row.claim_id is not None:
                row.version += 1
            elif row.state == INDEXED:
                row.work_due = self._clock()

    def failed(self, session: Session, row: Image, claim_id: str, reason: str) -> None:
        """It cannot be read; it is as found by all else as before."""
        if row.read_claim_id == claim_id:
            self._give_up(session, row, reason)

    def retry(self, row: Image, claim_id: str) -> None:
        """Not its fault: later."""
        if row.read_claim_id == claim_id:
            row.read_claim_id = None
            row.read_due = self._clock() + _FIRST_RETRY_S

    def holds(self, row: Image, claim_id: str) -> bool:
        """Whether this claim has it for reading."""
        return row.read_claim_id == claim_id and row.read_due is not None

    def _give_up(self, session: Session, row: Image, reason: str) -> None:
        log.warning("a text cannot be read", id=row.id, reason=reason)
        keep(session, row, nothing_found(), self._clock(), failure=reason or "no reason was given")


def waiting_to_be_read(now: float) -> Select[Image]:
    """Nothing else is to be done for it."""

    # SQLite would take the index of such a column, and sort; ix_images_to_read has the order.
    def unindexed(column: InstrumentedAttribute[Any]) -> Function[Any]:
        return func.coalesce(column, null())

    return (
        select(Image)
        .where(
            Image.read_due.is_not(None),
            Image.read_due <= now,
            unindexed(Image.state) == INDEXED,
            unindexed(Image.claim_id).is_(None),
            unindexed(Image.work_due).is_(None),
        )
        .order_by(literal_column("(images.seq - images.page)").desc(), Image.page)
    )


def _is_being_embedded(session: Session, row: Image) -> bool:
    open_claims = select(ImageVector.seq).where(
        ImageVector.seq == row.seq,
        ImageVector.claim_id.is_not(None),
        ImageVector.due.is_not(None),
    )
    return session.scalar(open_claims.limit(1)) is not None
