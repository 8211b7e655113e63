"""The encoder that pages are embedded with beside the active one, for finding documents.

Workers name it with every claim. Named for the first time, it is entered, and all pages come to it;
named another, the former is forgotten, and its vectors are dropped before the new one begins.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from upload_service import vector_claims
from upload_service.encoder_rows import DOCUMENT_ENCODER, FORMER_DOCUMENT_ENCODER, by_role
from upload_service.kinds import PAGE
from upload_service.reindexing import ReindexClaim, Spec, key_of
from upload_service.tables import EncoderRow
from upload_service.vector_claims import Rest

log = structlog.get_logger()

MAX_CLAIM = 8  # a page takes a second or more without a GPU, and uploads wait for it
_ASK_AGAIN_S = 30.0


class DocumentEncoder:
    """`rest` is shared with other work that can wait; `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float], rest: Rest) -> None:
        self._clock = clock
        self._rest = rest
        self._named: str | None = None
        self._named_at = -_ASK_AGAIN_S

    def named(self, session: Session, spec: Spec | None) -> None:
        """A worker says with what pages are to be embedded; None: with nothing, for now."""
        self._named, self._named_at = None if spec is None else key_of(spec), self._clock()
        rows = by_role(session)
        row = rows.get(DOCUMENT_ENCODER)
        if spec is None or (row is not None and row.key == key_of(spec)):
            return
        if FORMER_DOCUMENT_ENCODER in rows:
            return  # its vectors are dropped first
        if row is not None:
            log.info("another document encoder", former=row.key, encoder=key_of(spec))
            former, started_at = row.spec, row.started_at
            session.delete(row)  # and with it which pages it has vectors of
            session.flush()
            session.add(_row(former, FORMER_DOCUMENT_ENCODER, started_at))
            session.flush()
        elif session.get(EncoderRow, key_of(spec)) is None:
            session.add(_row(spec, DOCUMENT_ENCODER, self._clock()))
            session.flush()

    def to_drop(self, session: Session) -> Spec | None:
        """The encoder whose vectors nobody needs any more."""
        row = by_role(session).get(FORMER_DOCUMENT_ENCODER)
        return None if row is None else row.spec

    def take_dropped(self, session: Session, key: str) -> None:
        """Its vectors are gone from the index."""
        row = session.get(EncoderRow, key)
        if row is not None and row.role == FORMER_DOCUMENT_ENCODER:
            session.delete(row)
            session.flush()

    def claim(
        self, session: Session, claim_id: str, limit: int, lease_s: float
    ) -> ReindexClaim | None:
        """Pages to embed, when a worker can."""
        row = by_role(session).get(DOCUMENT_ENCODER)
        if row is None or row.key != self._named or not self._rest.is_over:
            return None
        now = self._clock()
        pages = vector_claims.take(
            session, row, (PAGE,), claim_id, min(limit, MAX_CLAIM), now + lease_s, now
        )
        if not pages:
            return None
        self._rest.begun(claim_id)
        return ReindexClaim(row.spec, pages)

    def is_due(self, session: Session) -> bool:
        """Whether a worker should look: what the last one could do, the next one can too; after a
        while it is asked again."""
        rows = by_role(session)
        if FORMER_DOCUMENT_ENCODER in rows:
            return True
        row = rows.get(DOCUMENT_ENCODER)
        now = self._clock()
        if row is None or not self._rest.is_over:
            return False
        if self._named != row.key and now < self._named_at + _ASK_AGAIN_S:
            return False
        return vector_claims.is_due(session, row, (PAGE,), now)


def _row(spec: Spec, role: str, started_at: float) -> EncoderRow:
    return EncoderRow(
        key=key_of(spec),
        spec=spec,
        role=role,
        cursor=0,
        hold=False,
        announce=False,
        started_at=started_at,
    )
