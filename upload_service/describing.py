"""Pictures and pages handed out to be described by a vision model, beside all that can wait.

A description that comes in is a change like that of a tag: the row gets a new version, and the
index follows with the next refresh. So it never matters what else wrote the payload meanwhile.

Workers have several in hand at once, each for as long as the model takes. They claim under a name
that they keep over a restart, and say which they have in hand: the others were lost with the
process before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, Select, func, null, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from upload_service.descriptions import Described, keep
from upload_service.leases import lease
from upload_service.states import INDEXED
from upload_service.tables import DescriptionRow, Image

log = structlog.get_logger()

MAX_LOST_CLAIMS = 5
MAX_REFUSALS = 3
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 600.0
_ASK_AGAIN_S = 30.0
_FORGOTTEN_S = 120.0  # longer than a batch of a worker that describes
_NOBODY_CAME_S = 300.0  # a worker may be at one page as long
NO_DESCRIBER = (
    "none of the workers describes: set LLM_ENABLED=true and LLM_MODEL where the workers run, too,"
    " and start them again"
)
NO_WORKER = "no worker comes for work: are the workers running, and does Redis answer?"


@dataclass(frozen=True)
class Describer:
    """A worker with a vision model: has these in hand, and takes `limit` more."""

    name: str
    limit: int
    lease_s: float
    in_hand: Collection[str] = ()


class Describing:
    """`clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._has_room = False
        self._asked_at = -_ASK_AGAIN_S
        self._described_at = -_FORGOTTEN_S
        """When a worker came last that describes."""
        self._calling_since: float | None = None
        self.put_off = ""
        """Why the last one was put off; empty when the last one was not."""

    @property
    def held_up(self) -> str:
        """Why those that wait are not being described; empty: they are."""
        now = self._clock()
        if self._calling_since is not None and now > self._calling_since + _NOBODY_CAME_S:
            return NO_WORKER
        if self._asked_at >= self._described_at + _FORGOTTEN_S:
            return NO_DESCRIBER
        return self.put_off

    def offered(self, describer: Describer | None) -> None:
        """A worker says whether it can describe something now; others may say something else."""
        self._asked_at, self._calling_since = self._clock(), None
        if describer is not None:
            self._has_room, self._described_at = describer.limit > 0, self._asked_at
        elif self._asked_at >= self._described_at + _ASK_AGAIN_S:
            self._has_room = False

    def claim(self, session: Session, describer: Describer | None) -> list[Image]:
        """Pictures and pages to describe; those first that this describer lost."""
        if describer is None or describer.limit <= 0:
            return []
        now = self._clock()
        mine = (
            select(Image)
            .join(DescriptionRow, DescriptionRow.seq == Image.seq)
            .where(
                DescriptionRow.claim_id == describer.name,
                DescriptionRow.due.is_not(None),
                Image.state == INDEXED,
                Image.id.not_in(describer.in_hand),
            )
        )
        images = list(session.scalars(mine.limit(describer.limit)))
        images = images or list(session.scalars(waiting(now).limit(describer.limit)))
        by_seq = {image.seq: image for image in images}
        rows = [session.get_one(DescriptionRow, seq) for seq in by_seq]
        taken = lease(
            rows, describer.name, now + describer.lease_s, now, MAX_LOST_CLAIMS, self._give_up
        )
        return [by_seq[row.seq] for row in taken]

    def is_due(self, session: Session) -> bool:
        """Whether a worker should look: what the last one could do, the next one can too; after a
        while it is asked again."""
        now = self._clock()
        if not self._has_room and now < self._asked_at + _ASK_AGAIN_S:
            return False
        is_due = session.scalar(waiting(now).limit(1)) is not None
        if is_due and self._calling_since is None:
            self._calling_since = now
        return is_due

    def held_by(self, session: Session, image: Image, claim_id: str) -> DescriptionRow | None:
        """Its row, where this claim has it."""
        row = session.get(DescriptionRow, image.seq)
        return row if row is not None and row.claim_id == claim_id else None

    def was_described(
        self, image: Image, row: DescriptionRow, described: Described, took_s: float
    ) -> None:
        """The index follows."""
        self.put_off = ""
        keep(row, described, self._clock())
        row.took_s = took_s
        touch(image, self._clock())

    def failed(self, row: DescriptionRow, reason: str, model: str) -> None:
        """This model cannot; what was known of it stays."""
        row.failure_model = model[:200]
        self._give_up(row, reason)

    def refused(self, row: DescriptionRow, reason: str, model: str) -> None:
        """The model's server refuses it, and not others. After some times it has failed: a server
        may also refuse what the model wrote, and that differs."""
        if row.failure_model != model:
            row.failure_model, row.refusals = model[:200], 0
        row.refusals += 1
        if row.refusals >= MAX_REFUSALS:
            self._give_up(row, reason)
        else:
            self._later(row)

    def retry(self, row: DescriptionRow, reason: str) -> None:
        """Not its fault."""
        self.put_off = reason
        self._later(row)

    def _later(self, row: DescriptionRow) -> None:
        """Unless it was stopped meanwhile."""
        row.claim_id = None
        if row.due is not None:
            delay_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(row.retries, 10))
            row.due = self._clock() + delay_s * random.uniform(0.5, 1.0)  # noqa: S311
            row.retries += 1

    def _give_up(self, row: DescriptionRow, reason: str) -> None:
        log.warning("a picture cannot be described", seq=row.seq, reason=reason)
        row.failure = reason or "no reason was given"
        row.due, row.claim_id = None, None


def touch(image: Image, now: float) -> None:
    """Something of it changed that the index knows too."""
    image.version += 1
    if image.state == INDEXED and image.claim_id is None:
        image.work_due = now


def waiting(now: float) -> Select[Image]:
    """What is in the index and may be claimed."""

    # SQLite would begin with the pictures of this state; ix_descriptions_due has the order.
    def unindexed(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
        return func.coalesce(column, null())

    return (
        select(Image)
        .join(DescriptionRow, DescriptionRow.seq == Image.seq)
        .where(
            DescriptionRow.due.is_not(None),
            DescriptionRow.due <= now,
            unindexed(Image.state) == INDEXED,
        )
        .order_by(DescriptionRow.turn, DescriptionRow.due, DescriptionRow.seq)
    )
