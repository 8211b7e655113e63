"""Pictures and pages handed out to be embedded with an encoder beside the active one.

Those never handed out come in the order of their `seq` behind a cursor, so a stop, a kill or a
restart costs nothing but the claims that were open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from upload_service.encoder_rows import behind_cursor, waiting
from upload_service.leases import lease
from upload_service.states import DELETING, INDEXED
from upload_service.tables import EncoderRow, Image, ImageVector

MAX_TRIES = 8
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0


@dataclass(frozen=True)
class Report:
    """What a worker says of one picture and one encoder that is not the active one."""

    encoder: str
    is_indexed: bool
    failure: str = ""
    version: int = 0


class Rest:
    """How much of a worker's time may go to what can wait: `share`, 0..1."""

    def __init__(self, clock: Callable[[], float], share: float) -> None:
        self._clock = clock
        self._share = share
        self._claimed_at: dict[str, float] = {}
        self._until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether a claim may be given."""
        return self._clock() >= self._until

    def begun(self, claim_id: str) -> None:
        """A claim is given."""
        self._claimed_at[claim_id] = self._clock()

    def after(self, claim_id: str) -> float:
        """Seconds until the next claim is given, so that other work keeps its share."""
        claimed_at = self._claimed_at.pop(claim_id, None)
        if claimed_at is None:
            return 0.0
        now = self._clock()
        rest_s = (now - claimed_at) * (1 - self._share) / self._share
        self._until = now + rest_s
        return rest_s


def take(
    session: Session,
    row: EncoderRow,
    kinds: Collection[str],
    claim_id: str,
    limit: int,
    lease_until: float,
    now: float,
) -> list[Image]:
    """Up to `limit` of these kinds, no one else's until then; those of the same claim first."""
    images = _mine(session, row, claim_id, limit) or _due(session, row, kinds, limit, now)
    by_seq = {image.seq: image for image in images}
    vectors = [_vector(session, row, image) for image in images]
    row.cursor = max([row.cursor, *by_seq])
    taken = lease(vectors, claim_id, lease_until, now, MAX_TRIES, _give_up)
    return [by_seq[vector.seq] for vector in taken]


def _vector(session: Session, row: EncoderRow, image: Image) -> ImageVector:
    vector = session.get(ImageVector, (row.key, image.seq))
    if vector is None:
        vector = ImageVector(encoder=row.key, seq=image.seq, failure="", tries=0)
        session.add(vector)
    return vector


def _give_up(vector: ImageVector, reason: str) -> None:
    vector.due, vector.failure = None, reason


def _mine(session: Session, row: EncoderRow, claim_id: str, limit: int) -> list[Image]:
    mine = (
        select(Image)
        .join(ImageVector, ImageVector.seq == Image.seq)
        .where(
            ImageVector.encoder == row.key,
            ImageVector.claim_id == claim_id,
            ImageVector.due.is_not(None),
            Image.state == INDEXED,
        )
    )
    return list(session.scalars(mine.order_by(Image.seq).limit(limit)))


def _due(
    session: Session, row: EncoderRow, kinds: Collection[str], limit: int, now: float
) -> list[Image]:
    images = list(session.scalars(waiting(row, now).limit(limit)))
    if len(images) < limit:
        # One question a kind: each is answered by the index alone.
        fresh = [
            image
            for kind in kinds
            for image in session.scalars(behind_cursor(row, kind).limit(limit - len(images)))
        ]
        images += sorted(fresh, key=lambda image: image.seq)[: limit - len(images)]
    return images


def is_due(session: Session, row: EncoderRow, kinds: Collection[str], now: float) -> bool:
    """Whether `take` would give something."""
    return session.scalar(waiting(row, now).limit(1)) is not None or any(
        session.scalar(behind_cursor(row, kind).limit(1)) is not None for kind in kinds
    )


def take_report(
    session: Session, image: Image | None, claim_id: str, report: Report, now: float
) -> bool:
    """What became of one picture; True when its vectors must go: it was deleted meanwhile."""
    if image is None or image.state == DELETING:
        return report.is_indexed
    vector = session.get(ImageVector, (report.encoder, image.seq))
    if vector is None or vector.claim_id != claim_id:
        return False
    vector.claim_id = None
    if report.is_indexed:
        vector.due, vector.tries = None, 0
        if report.version < image.version and image.claim_id is None:
            image.work_due = now  # its payload is of before a change
    elif report.failure:
        vector.due, vector.failure = None, report.failure
    else:
        vector.due = now + min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(vector.tries, 10))
    return False


def was_indexed(session: Session, row: EncoderRow, image: Image, now: float) -> None:
    """The cursor may have passed while it was not in the index."""
    if image.seq <= row.cursor and session.get(ImageVector, (row.key, image.seq)) is None:
        session.add(ImageVector(encoder=row.key, seq=image.seq, failure="", tries=0, due=now))
