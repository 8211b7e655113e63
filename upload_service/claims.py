"""Work for workers: claims that are leases, and reports of what became of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from upload_service import documents
from upload_service.database import Writer
from upload_service.describing import Describing
from upload_service.descriptions import descriptions_of
from upload_service.document_encoder import DocumentEncoder
from upload_service.encoder_rows import ACTIVE, BESIDE, by_role, forget_vectors
from upload_service.kinds import DOCUMENT, PAGE
from upload_service.leases import SUSPECT_AFTER
from upload_service.reading import Reading
from upload_service.reindexing import Encoders, Reindexing
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STORED
from upload_service.tables import DescriptionRow, Image
from upload_service.texts import texts_of
from upload_service.vector_claims import Report, take_report
from upload_service.work import Claim, Offer, Outcome, Result, Told
from viewfinder.errors import InvalidRequest, StorageFull

log = structlog.get_logger()

MAX_CLAIM = 32
MAX_LEASE_S = 3600
MAX_LOST_CLAIMS = 5
_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 30.0


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
        self._documents = DocumentEncoder(clock, reindexing.rest)
        self._reading = Reading(clock)
        self.describing = Describing(clock)
        self._drop_blob = drop_blob
        self._clock = clock

    def claim(self, claim_id: str, limit: int, lease_s: float, offer: Offer | None = None) -> Claim:
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
        offer = offer or Offer()
        names = [claim_id] if offer.describer is None else [claim_id, offer.describer.name]
        for name in names:
            if not 1 <= len(name) <= 64:
                raise InvalidRequest(
                    field="claim_id", value=name[:80], allowed="1 to 64 characters"
                )

        def change(session: Session) -> Claim:
            self._reading.offered(offer.reads)
            self._documents.named(session, offer.document_encoder)
            self.describing.offered(offer.describer)
            claim = self._claim(session, claim_id, limit, lease_s, offer)
            claim.texts = texts_of(session, claim.images)
            claim.descriptions = descriptions_of(session, claim.images)
            return claim

        return self._writer.write(change)

    def _claim(
        self, session: Session, claim_id: str, limit: int, lease_s: float, offer: Offer
    ) -> Claim:
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
        claim = Claim(more=more, drop=self._documents.to_drop(session))
        taken: list[Image] = []
        failed: list[Image] = []
        for row in rows[:limit]:
            if row.claim_id is not None:
                row.claim_id = None
                row.lost_claims += 1
            if row.lost_claims >= MAX_LOST_CLAIMS and row.state != DELETING:
                _fail(row, f"given up after {row.lost_claims} workers died or stalled over it")
                failed.append(row)
            elif taken and max(row.lost_claims, taken[0].lost_claims) >= SUSPECT_AFTER:
                row.work_due = now
                claim.more = True
            else:
                taken.append(row)
        for row in taken:
            row.claim_id = claim_id
            row.work_due = now + lease_s
            if row.read_claim_id is not None:
                row.version += 1  # whoever reads it now learns that the payload came without it
            if row.state == DELETING:
                claim.to_delete.append(row.id)
            elif row.state == INDEXED:
                claim.to_refresh.append(row)
            else:
                row.state = QUEUED
                claim.to_index.append(row)
        documents.follow(session, documents.documents_of(failed), now)
        if not rows:
            self._claim_what_can_wait(session, claim, claim_id, limit, lease_s)
            if claim.switch_to is None:
                # Another server does this, so it need not wait for the rest.
                claim.to_describe = self.describing.claim(session, offer.describer)
        return claim

    def _claim_what_can_wait(
        self, session: Session, claim: Claim, claim_id: str, limit: int, lease_s: float
    ) -> None:
        claim.reindex = self._reindexing.claim(session, claim_id, limit, lease_s)
        claim.switch_to = self._reindexing.announced(session)
        if claim.reindex is None and claim.switch_to is None:
            claim.documents = self._documents.claim(session, claim_id, limit, lease_s)
            if claim.documents is None:
                claim.to_read = self._reading.claim(session, claim_id, limit, lease_s)
        claim.more = bool(claim.images)

    def report(
        self, claim_id: str, results: Sequence[Result], told: Told | None = None
    ) -> list[str]:
        """Take in what became of claimed rows, and what the index was made to do.

        Returns the ids reported as indexed that were deleted meanwhile; their vectors must go.
        """
        told = told or Told()

        def change(session: Session) -> list[str]:
            if told.switched is not None:
                self._reindexing.take_switched(session, told.switched)
            if told.dropped is not None:
                self._documents.take_dropped(session, told.dropped)
            return self._report(session, claim_id, results)

        return self._writer.write(change)

    def _report(self, session: Session, claim_id: str, results: Sequence[Result]) -> list[str]:
        now = self._clock()
        encoders = by_role(session)
        beside = {encoders[role].key for role in BESIDE if role in encoders}
        ids = [result.id for result in results]
        rows = {row.id: row for row in session.scalars(select(Image).where(Image.id.in_(ids)))}
        whose = documents.documents_of(rows.values())
        gone = []
        for result in results:
            row = rows.get(result.id)
            if result.encoder in beside:
                if take_report(session, row, claim_id, _of_beside(result), now):
                    gone.append(result.id)
            elif row is None or row.state == DELETING:
                if result.outcome is Outcome.INDEXED:
                    gone.append(result.id)
                if row is not None and row.claim_id == claim_id:
                    self._go_on_deleting(session, row, result, now)
            elif result.outcome is Outcome.DELETED:
                forget_vectors(session, row)
                self._embed_again(row, now)
            elif described := self.describing.held_by(session, row, claim_id):
                self._take_description(row, described, result)
            elif self._reading.holds(row, claim_id) and row.claim_id != claim_id:
                self._take_reading(session, row, claim_id, result)
            elif row.claim_id == claim_id:
                self._take_indexing(session, row, result, encoders, now)
            # else: who holds the row now reports what counts. A late "indexed" may be of a vector
            # that was deleted since.
        session.flush()
        documents.follow(session, whose, now)
        documents.settle_deleted(session, whose, now)
        return gone

    def _take_indexing(
        self, session: Session, row: Image, result: Result, encoders: Encoders, now: float
    ) -> None:
        active = encoders.get(ACTIVE)
        if result.outcome is Outcome.INDEXED:
            # The catalogue may never have been told of an encoder, or the index was switched to
            # another meanwhile.
            if active is None or result.encoder in ("", active.key):
                self._indexed(row, result.version, now)
                self._reindexing.was_indexed(session, encoders, row)
                self._reading.was_indexed(session, row, result.text)
            else:
                self._retry(row, now)
        elif result.outcome is Outcome.FAILED and row.state != INDEXED:
            _fail(row, result.reason)
        else:
            self._retry(row, now)

    def _take_reading(self, session: Session, row: Image, claim_id: str, result: Result) -> None:
        if result.outcome is Outcome.READ and result.text is not None:
            self._reading.was_read(session, row, claim_id, result.text, result.version)
        elif result.outcome is Outcome.FAILED:
            self._reading.failed(session, row, claim_id, result.reason)
        else:
            self._reading.retry(row, claim_id)

    def _take_description(self, image: Image, row: DescriptionRow, result: Result) -> None:
        if result.outcome is Outcome.DESCRIBED and result.description is not None:
            self.describing.was_described(image, row, result.description, result.took_s)
        elif result.outcome is Outcome.FAILED:
            self.describing.failed(row, result.reason, result.model)
        elif result.outcome is Outcome.REFUSED:
            self.describing.refused(row, result.reason, result.model)
        else:
            self.describing.retry(row, result.reason)

    def _go_on_deleting(self, session: Session, row: Image, result: Result, now: float) -> None:
        if result.outcome is Outcome.DELETED and not (
            row.kind == DOCUMENT and documents.has_pages(session, row)
        ):
            try:
                if row.kind != PAGE:  # its bytes are its document's
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
        if row.kind == DOCUMENT:  # had none
            return
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
        """Whether a worker should look now."""

        def count(session: Session) -> bool:
            first = select(Image.seq).where(Image.work_due <= self._clock()).limit(1)
            return (
                session.scalar(first) is not None
                or self._reindexing.is_due(session)
                or self._documents.is_due(session)
                or self._reading.is_due(session)
                or self.describing.is_due(session)
            )

        return self._writer.read(count)


def _of_beside(result: Result) -> Report:
    return Report(
        encoder=result.encoder,
        is_indexed=result.outcome is Outcome.INDEXED,
        failure=result.reason if result.outcome is Outcome.FAILED else "",
        version=result.version,
    )


def _fail(row: Image, reason: str) -> None:
    row.state, row.failure = FAILED, reason or "no reason was given"
    row.claim_id, row.work_due = None, None
