"""Moving the whole catalogue to another encoder while searches go on with the active one.

The candidate's pictures and pages are handed out as vector_claims.py says. What is uploaded
meanwhile is indexed with the active encoder at once, and comes to the candidate when the cursor
arrives. When nothing is left, one transaction makes the candidate the active encoder; a worker then
tells the index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from upload_service import vector_claims
from upload_service.database import Writer
from upload_service.encoder_rows import (
    ACTIVE,
    CANDIDATE,
    DOCUMENT_ENCODER,
    PREVIOUS,
    by_role,
    is_complete,
    make_active,
)
from upload_service.kinds import EMBEDDED, PAGE
from upload_service.states import INDEXED
from upload_service.tables import EncoderRow, Image, ImageVector
from upload_service.vector_claims import Rest
from viewfinder.errors import InvalidRequest

Spec = dict[str, Any]
"""An encoder's spec as plain data; `key_of` names it."""


Encoders = dict[str, EncoderRow]
"""By their role."""


def key_of(spec: Spec) -> str:
    """`name@revision`."""
    return f"{spec['name']}@{spec['revision']}"


@dataclass(frozen=True)
class Status:
    """How far it is; `done` of `total` pictures, `failed` of them for good."""

    state: str
    active: Spec | None = None
    candidate: Spec | None = None
    previous: Spec | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    started_at: float | None = None
    dropped: Spec | None = None


@dataclass
class ReindexClaim:
    """Pictures to embed with this encoder."""

    spec: Spec
    images: list[Image] = field(default_factory=list)


class Reindexing:
    """`share` (0..1) is how much of a worker's time it may take while nothing else waits."""

    def __init__(self, writer: Writer, clock: Callable[[], float], share: float) -> None:
        self._writer = writer
        self._clock = clock
        self.rest = Rest(clock, share)

    # --- what people ask for ---

    def start(self, candidate: Spec, active: Spec | None, hold: bool) -> Status:
        """Begin, or go on where it was. An encoder kept from before is forgotten for it.

        Raises:
            InvalidRequest: it is the active one, or another reindex is under way.
        """

        def change(session: Session) -> Status:
            dropped = None
            rows = by_role(session)
            current = rows.get(CANDIDATE)
            if current is not None and current.key != key_of(candidate):
                raise InvalidRequest(
                    field="encoder",
                    value=key_of(candidate),
                    allowed=f"nothing else while {current.key} is under way; cancel that first",
                )
            _refuse_while_switching(rows)
            self._adopt(session, rows.get(ACTIVE), active)
            if active is not None and key_of(active) == key_of(candidate):
                raise InvalidRequest(
                    field="encoder",
                    value=key_of(candidate),
                    allowed="another encoder than the one the index has",
                )
            previous = rows.get(PREVIOUS)
            if previous is not None and previous.key == key_of(candidate):
                previous.role, previous.cursor, current = CANDIDATE, 0, previous
            elif previous is not None and current is None:
                dropped = previous.spec
                session.delete(previous)
            session.flush()
            if current is None:
                current = EncoderRow(
                    key=key_of(candidate), spec=candidate, role=CANDIDATE, cursor=0, announce=False
                )
                session.add(current)
                current.started_at = self._clock()
            current.hold = hold
            session.flush()
            return self._status(session, dropped)

        return self._writer.write(change)

    def status(self) -> Status:
        """How far it is."""
        return self._writer.read(self._status)

    def switch(self, back: bool) -> Status:
        """To the candidate when it is complete, or back to the encoder before, at once.

        Raises:
            InvalidRequest: there is nothing to switch to, or it is not complete.
        """

        def change(session: Session) -> Status:
            rows = by_role(session)
            _refuse_while_switching(rows)
            target = rows.get(PREVIOUS if back else CANDIDATE)
            if target is None:
                allowed = "after a switch only" if back else "while a reindex is under way only"
                raise InvalidRequest(field="switch", value="not possible", allowed=allowed)
            if back and CANDIDATE in rows:
                raise InvalidRequest(
                    field="switch",
                    value="back",
                    allowed=f"after {rows[CANDIDATE].key} was cancelled",
                )
            if not back and not is_complete(session, target):
                raise InvalidRequest(
                    field="switch", value="too early", allowed="once all pictures are done"
                )
            make_active(session, rows.get(ACTIVE), target, self._clock())
            return self._status(session)

        return self._writer.write(change)

    def forget(self, previous: bool) -> Status:
        """Give the candidate up, or the encoder before; `dropped` is whose vectors may go.

        Raises:
            InvalidRequest: there is none, or the index is being switched.
        """

        def change(session: Session) -> Status:
            rows = by_role(session)
            _refuse_while_switching(rows)
            row = rows.get(PREVIOUS if previous else CANDIDATE)
            if row is None:
                which = "kept from before" if previous else "under way"
                raise InvalidRequest(
                    field="encoder", value="none", allowed=f"only while one is {which}"
                )
            dropped = row.spec
            session.delete(row)
            session.flush()
            return self._status(session, dropped)

        return self._writer.write(change)

    # --- what workers do; all inside a transaction of Claims ---

    def claim(
        self, session: Session, claim_id: str, limit: int, lease_s: float
    ) -> ReindexClaim | None:
        """Pictures for the candidate, under a lease; None when there are none now.

        When none are left at all, the candidate becomes the active encoder, unless it is held.
        """
        rows = by_role(session)
        row = rows.get(CANDIDATE)
        if row is None or not self.rest.is_over:
            return None
        now = self._clock()
        images = vector_claims.take(session, row, EMBEDDED, claim_id, limit, now + lease_s, now)
        if not images:
            if not row.hold and is_complete(session, row):
                make_active(session, rows.get(ACTIVE), row, now)
            return None
        self.rest.begun(claim_id)
        return ReindexClaim(row.spec, images)

    def was_indexed(self, session: Session, encoders: Encoders, image: Image) -> None:
        """The encoders beside the active one may have passed it while it waited."""
        for role, row in encoders.items():
            if role == CANDIDATE or (role == DOCUMENT_ENCODER and image.kind == PAGE):
                vector_claims.was_indexed(session, row, image, self._clock())

    def announced(self, session: Session) -> Spec | None:
        """The encoder that the index is to be switched to."""
        active = by_role(session).get(ACTIVE)
        return active.spec if active is not None and active.announce else None

    def take_switched(self, session: Session, key: str) -> None:
        """The index answers with this encoder now."""
        row = session.get(EncoderRow, key)
        if row is not None and row.role == ACTIVE:
            row.announce = False

    def is_due(self, session: Session) -> bool:
        """Whether a worker should look."""
        rows = by_role(session)
        active, row = rows.get(ACTIVE), rows.get(CANDIDATE)
        if active is not None and active.announce:
            return True
        if row is None or not self.rest.is_over:
            return False
        if vector_claims.is_due(session, row, EMBEDDED, self._clock()):
            return True
        return not row.hold and is_complete(session, row)

    # --- how ---

    def _adopt(self, session: Session, known: EncoderRow | None, active: Spec | None) -> None:
        """The index says which encoder it has; what the catalogue thought is of another index."""
        if active is None or (known is not None and known.key == key_of(active)):
            return
        if known is not None:
            session.delete(known)
            session.flush()
        stale = session.get(EncoderRow, key_of(active))
        if stale is not None:
            session.delete(stale)
            session.flush()
        row = EncoderRow(
            key=key_of(active), spec=active, role=ACTIVE, cursor=0, hold=False, announce=False
        )
        row.started_at = self._clock()
        session.add(row)
        session.flush()

    def _status(self, session: Session, dropped: Spec | None = None) -> Status:
        rows = by_role(session)
        active, candidate, previous = (rows.get(role) for role in (ACTIVE, CANDIDATE, PREVIOUS))
        total = done = failed = 0
        state = "idle"
        if candidate is not None:
            counted = (
                select(func.count())
                .select_from(Image)
                .where(Image.state == INDEXED, Image.kind.in_(EMBEDDED))
            )
            total = session.scalar(counted) or 0
            of_candidate = select(func.count(), func.sum(ImageVector.failure != "")).where(
                ImageVector.encoder == candidate.key, ImageVector.due.is_(None)
            )
            done, failed = session.execute(of_candidate).one()
            is_ready = candidate.hold and done >= total and is_complete(session, candidate)
            state = "ready" if is_ready else "running"
        if active is not None and active.announce:
            state = "switching"
        return Status(
            state=state,
            active=active.spec if active is not None else None,
            candidate=candidate.spec if candidate is not None else None,
            previous=previous.spec if previous is not None else None,
            total=total,
            done=done,
            failed=failed or 0,
            started_at=candidate.started_at if candidate is not None else None,
            dropped=dropped,
        )


def _refuse_while_switching(rows: dict[str, EncoderRow]) -> None:
    active = rows.get(ACTIVE)
    if active is not None and active.announce:
        raise InvalidRequest(
            field="encoder",
            value=f"being switched to {active.key}",
            allowed="a moment later, when a worker has told the index",
        )
