"""Work for workers: claims that are leases, and reports of what became of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import structlog
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from upload_service.database import Writer
from upload_service.encoder_rows import forget_vectors
from upload_service.reindexing import ReindexClaim, Reindexing, Report, Spec
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STORED
from upload_service.tables import Image
from viewfinder.errors import InvalidRequest, StorageFull

log = structlog.get_logger()

MAX_CLAIM = 32
MAX_LEASE_S = 3600
MAX_LOST_CLAIMS = 5
_SUSPECT_AFTER = 2  # lost claims; from then on a row is claimed alone, to find who kills workers
_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 30.0


class Outcome(Enum):
    """What a worker says of one picture."""

    INDEXED = "indexed"
    FAILED = "failed"
    RETRY = "retry"
    DELETED = "deleted"


@dataclass(frozen=True)
class Result:
    """What became of one claimed picture."""

    id: str
    outcome: Outcome
    reason: str = ""
    version: int = 0
    encoder: str = ""  # "name@revision" whose vectors were upserted


@dataclass
class Claim:
    """Rows under a lease, by what is to be done with them."""

    to_index: list[Image] = field(default_factory=list)
    to_refresh: list[Image] = field(default_factory=list)
    to_delete: list[str] = field(default_factory=list)
    more: bool = False
    reindex: ReindexClaim | None = None
    switch_to: Spec | None = None


class Claims:
    """Gives rows to workers and takes their reports.

    `clock` gives seconds since 1970; `drop_blob` removes an original by its key.
    """

    def __init__(
        self,
        writer: Writer,
        reindexing: Reindexing,
        drop_blob: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._reindexing = reindexing
        self._drop_blob = drop_blob
        self._clock = clock

    def claim(self, claim_id: str, limit: int, lease_s: float) -> Claim:
        """Up to `limit` rows that are due, no one else's for `lease_s`.

        The same `claim_id` gets the rows it holds again: a job that is run a second time. A row
        whose claim was lost `MAX_LOST_CLAIMS` times fails: it probably kills its workers.

        Raises:
            InvalidRequest: limit, lease or id is not allowed.
        """
        if not 1 <= limit <= MAX_CLAIM:
            raise InvalidRequest(field="limit", value=str(limit), allowed=f"1 to {MAX_CLAIM}")
        if not 1 <= lease_s <= MAX_LEASE_S:
            raise InvalidRequest(field="lease_s", value=str(lease_s), allowed=f"1 to {MAX_LEASE_S}")
        if not 1 <= len(claim_id) <= 64:
            raise InvalidRequest(
                field="claim_id", value=claim_id[:80], allowed="1 to 64 characters"
            )
        return self._writer.write(lambda session: self._claim(session, claim_id, limit, lease_s))

    def _claim(self, session: Session, claim_id: str, limit: int, lease_s: float) -> Claim:
        switch_to = self._reindexing.announced(session)
        if switch_to is not None:
            # Nothing else before that: it would be embedded with the wrong encoder.
            return Claim(switch_to=switch_to)
        now = self._clock()
        mine = select(Image).where(Image.claim_id == claim_id, Image.work_due.is_not(None))
        due = select(Image).where(
            Image.work_due <= now, or_(Image.claim_id.is_(None), Image.claim_id != claim_id)
        )
        rows = list(session.scalars(mine.order_by(Image.seq).limit(limit)))
        if rows:
            more = session.scalar(due.limit(1)) is not None
        else:
            rows = list(session.scalars(due.order_by(Image.work_due, Image.seq).limit(limit + 1)))
            more = len(rows) > limit
        claim = Claim(more=more)
        taken: list[Image] = []
        for row in rows[:limit]:
            if row.claim_id is not None:
                row.claim_id = None
                row.lost_claims += 1
            if row.lost_claims >= MAX_LOST_CLAIMS and row.state != DELETING:
                _fail(row, f"given up after {row.lost_claims} workers died or stalled over it")
            elif taken and max(row.lost_claims, taken[0].lost_claims) >= _SUSPECT_AFTER:
                row.work_due = now
                claim.more = True
            else:
                taken.append(row)
        for row in taken:
            row.claim_id = claim_id
            row.work_due = now + lease_s
            if row.state == DELETING:
                claim.to_delete.append(row.id)
            elif row.state == INDEXED:
                claim.to_refresh.append(row)
            else:
                row.state = QUEUED
                claim.to_index.append(row)
        if not rows:
            claim.reindex = self._reindexing.claim(session, claim_id, limit, lease_s)
            claim.switch_to = self._reindexing.announced(session)
            claim.more = claim.reindex is not None
        return claim

    def report(
        self, claim_id: str, results: Sequence[Result], switched: str | None = None
    ) -> list[str]:
        """Take in what became of claimed pictures, and the encoder the index was switched to.

        Returns the ids reported as indexed that were deleted meanwhile; their vectors must go.
        """
        return self._writer.write(
            lambda session: self._report(session, claim_id, results, switched)
        )

    def _report(
        self,
        session: Session,
        claim_id: str,
        results: Sequence[Result],
        switched: str | None,
    ) -> list[str]:
        now = self._clock()
        if switched is not None:
            self._reindexing.take_switched(session, switched)
        ids = [result.id for result in results]
        rows = {row.id: row for row in session.scalars(select(Image).where(Image.id.in_(ids)))}
        gone = []
        for result in results:
            row = rows.get(result.id)
            if result.encoder and self._reindexing.knows(session, result.encoder):
                if self._reindexing.take_report(session, row, claim_id, _of_candidate(result)):
                    gone.append(result.id)
                continue
            held = row is not None and row.claim_id == claim_id
            if row is None or row.state == DELETING:
                if result.outcome is Outcome.INDEXED:
                    gone.append(result.id)
                if row is not None and held:
                    self._go_on_deleting(session, row, result, now)
            elif result.outcome is Outcome.DELETED:
                forget_vectors(session, row)
                self._embed_again(row, now)
            elif not held:
                # Who holds the row now reports what counts. A late "indexed" may be of a vector
                # that was deleted since.
                continue
            elif result.outcome is Outcome.INDEXED:
                if self._reindexing.is_active(session, result.encoder):
                    self._indexed(row, result.version, now)
                    self._reindexing.was_indexed(session, row)
                else:  # the index was switched to another encoder meanwhile
                    self._retry(row, now)
            elif result.outcome is Outcome.FAILED and row.state != INDEXED:
                _fail(row, result.reason)
            else:
                self._retry(row, now)
        return gone

    def _go_on_deleting(self, session: Session, row: Image, result: Result, now: float) -> None:
        if result.outcome is Outcome.DELETED:
            try:
                self._drop_blob(row.blob_key)
            except (StorageFull, OSError) as error:
                log.warning("an original cannot be removed yet", id=row.id, reason=str(error))
            else:
                session.execute(delete(Image).where(Image.seq == row.seq))
                return
        self._retry(row, now)

    def _embed_again(self, row: Image, now: float) -> None:
        """Sent again while somebody deleted it: its vector is gone, whoever put it there. Taken
        from whoever holds it, for their "indexed" may be of before the deletion."""
        row.state, row.failure = STORED, ""
        row.indexed_at, row.indexed_version = None, 0
        row.claim_id, row.work_due = None, now

    def _indexed(self, row: Image, version: int, now: float) -> None:
        row.state, row.failure, row.indexed_at = INDEXED, "", now
        row.indexed_version = max(row.indexed_version, version)
        row.lost_claims, row.retries = 0, 0
        row.claim_id = None
        row.work_due = None if row.indexed_version >= row.version else now

    def _retry(self, row: Image, now: float) -> None:
        delay_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(row.retries, 10))
        row.claim_id = None
        row.retries += 1
        row.work_due = now + delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - only spreads load
        if row.state == QUEUED:
            row.state = STORED

    def due(self) -> bool:
        """Whether a row could be claimed now."""

        def count(session: Session) -> bool:
            first = select(Image.seq).where(Image.work_due <= self._clock()).limit(1)
            if session.scalar(select(func.count()).select_from(first.subquery())) == 1:
                return True
            return self._reindexing.is_due(session)

        return self._writer.read(count)


def _of_candidate(result: Result) -> Report:
    return Report(
        encoder=result.encoder,
        is_indexed=result.outcome is Outcome.INDEXED,
        failure=result.reason if result.outcome is Outcome.FAILED else "",
        version=result.version,
    )


def _fail(row: Image, reason: str) -> None:
    row.state, row.failure = FAILED, reason or "no reason was given"
    row.claim_id, row.work_due = None, None
