"""Which pictures and pages are to be described: asked for, counted, stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    ColumnExpressionArgument,
    Float,
    Select,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased

from upload_service.database import Writer
from upload_service.describing import Describing
from upload_service.jobs import Failure
from upload_service.kinds import EMBEDDED
from upload_service.states import DELETING, FAILED, INDEXED, QUEUED, STORED
from upload_service.tables import DescriptionRow, Image, ImageTag
from viewfinder.errors import InvalidRequest

MAX_IDS = 1000
DESCRIBABLE = (INDEXED, STORED, QUEUED)
PATCH_SIDE = 28
"""Pixels; many models make a token of each such square."""
_MEASURED = 50
_MAX_FAILURES = 100
_FIRST_TURN, _LATER_TURN = 0, 1


@dataclass(frozen=True)
class Wish:
    """What is to be described: these ids, or what meets tags, states and document, or `all`.

    What is described stays so, but `again`; what was edited is only described again by its id.
    What `model` failed at is left out, but by its id, `again`, or with `failed`: only what failed.
    `other_model`: also what another model than `model` described. `max_side`: what it would see.
    """

    ids: Sequence[str] = ()
    tags: Sequence[str] = ()
    states: Sequence[str] = ()
    document_id: str = ""
    all: bool = False
    again: bool = False
    failed: bool = False
    other_model: bool = False
    limit: int = 0
    dry_run: bool = False
    model: str = ""
    max_side: int = 1024

    def check(self) -> None:
        """
        Raises:
            InvalidRequest: it names nothing, or too much.
        """
        filters = bool(self.tags or self.states or self.document_id)
        if bool(self.ids) + filters + self.all != 1:
            raise InvalidRequest(
                "descriptions", "several or none", "one of ids, filters (tag, state, document), all"
            )
        if len(self.ids) > MAX_IDS:
            raise InvalidRequest("ids", f"{len(self.ids)} ids", f"at most {MAX_IDS}")
        for state in self.states:
            if state not in DESCRIBABLE:
                raise InvalidRequest("state", repr(state), ", ".join(DESCRIBABLE))


@dataclass(frozen=True)
class Counted:
    """What came of a wish. `described` and `failed` stay so. `patches` of those asked for; `mean_s`
    and `mean_chars` are 0 while this model has not described anything."""

    asked: int
    waiting: int
    described: int
    failed: int
    unknown: int
    patches: float
    mean_s: float
    mean_chars: float


@dataclass(frozen=True)
class Progress:
    """How far the descriptions are."""

    waiting: int
    described: int
    edited: int
    failed: int
    in_hand: int
    mean_s: float
    held_up: str
    failures: list[Failure]


class DescriptionRequests:
    """`clock` gives seconds since 1970."""

    def __init__(self, writer: Writer, describing: Describing, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._describing = describing
        self._clock = clock

    def request(self, wish: Wish) -> Counted:
        """Have them described; of a dry run only the counts. Blocking.

        Raises:
            InvalidRequest: it names nothing, or too much.
        """
        wish.check()
        if wish.dry_run:
            return self._writer.read(lambda session: self._count(session, wish))

        def change(session: Session) -> Counted:
            counted = self._count(session, wish)
            if counted.asked:
                _ask(session, _wanted(session, wish), bool(wish.ids), self._clock())
            return counted

        return self._writer.write(change)

    def progress(self, model: str) -> Progress:
        """How far they are; `model` is the one whose time counts."""

        def look(session: Session) -> Progress:
            row = DescriptionRow
            # Those that were put off for good are few, all others are many.
            put_off = _count_of(
                session,
                select(func.count())
                .select_from(Image)
                .join(row, row.seq == Image.seq)
                .where(Image.state.in_((FAILED, DELETING)), row.due.is_not(None)),
            )
            waiting = _count_of(session, _rows(row.due.is_not(None))) - put_off
            claimed = _rows(row.claim_id.is_not(None), row.due.is_not(None))
            is_failed = _has_failed()
            failures = session.execute(
                select(Image.id, Image.file_name, row.failure)
                .join(row, row.seq == Image.seq)
                .where(is_failed)
                .order_by(row.seq.desc())
                .limit(_MAX_FAILURES)
            )
            return Progress(
                waiting=waiting,
                described=_count_of(session, _rows(row.described_at.is_not(None))),
                edited=_count_of(session, _rows(row.edited)),
                failed=_count_of(session, _rows(is_failed)),
                in_hand=_count_of(session, claimed),
                mean_s=_measured(session, model)[0],
                held_up=self._describing.held_up if waiting else "",
                failures=[Failure(*one) for one in failures],
            )

        return self._writer.read(look)

    def stop(self) -> int:
        """How many do not wait any more. What a model works on is still taken."""

        def change(session: Session) -> int:
            row = DescriptionRow
            waiting = _count_of(session, _rows(row.due.is_not(None)))
            nothing = (row.due.is_not(None), row.content.is_(None), row.claim_id.is_(None))
            quietly = {"synchronize_session": False}
            session.execute(
                delete(row).where(*nothing, row.failure == "").execution_options(**quietly)
            )
            session.execute(
                update(row)
                .where(row.due.is_not(None))
                .values(due=None)
                .execution_options(**quietly)
            )
            self._describing.put_off = ""
            return waiting

        return self._writer.write(change)

    def _count(self, session: Session, wish: Wish) -> Counted:
        is_wanted, matching = _meaning(wish)
        row = DescriptionRow
        limited = _wanted(session, wish)
        chosen = select(Image.width, Image.height).where(Image.seq.in_(limited)).subquery()
        patches = _patches(chosen.c.width, chosen.c.height, wish.max_side)
        asked, size = session.execute(
            select(func.count(), func.coalesce(func.sum(patches), 0.0)).select_from(chosen)
        ).one()
        waits = case((row.due.is_not(None), 1))
        stays = case((and_(row.due.is_(None), row.content.is_not(None), ~is_wanted), 1))
        failed = case((and_(row.content.is_(None), _has_failed(), ~is_wanted), 1))
        counts = select(func.count(waits), func.count(stays), func.count(failed)).select_from(Image)
        waiting, described, failures = session.execute(
            counts.outerjoin(row, row.seq == Image.seq).where(*matching)
        ).one()
        known = select(func.count()).where(Image.id.in_(wish.ids), Image.state != DELETING)
        mean_s, mean_chars = _measured(session, wish.model)
        return Counted(
            asked=asked,
            waiting=waiting,
            described=described,
            failed=failures,
            unknown=len(set(wish.ids)) - _count_of(session, known) if wish.ids else 0,
            patches=float(size),
            mean_s=mean_s,
            mean_chars=mean_chars,
        )


def ask_for(session: Session, image: Image, now: float) -> None:
    """An upload that is to be described, of a document its pages; what is described stays so."""
    _ask(session, _wanted(session, Wish(ids=[image.id])), is_named=False, now=now)


def _ask(session: Session, wanted: Select[int], is_named: bool, now: float) -> None:
    row = DescriptionRow
    turn = _FIRST_TURN if is_named else _LATER_TURN
    known = update(row).where(row.seq.in_(wanted)).execution_options(synchronize_session=False)
    missing = select(
        Image.seq,
        *(literal(value) for value in ("", False, 0.0, "", "", 0, turn, now, 0, 0)),
    ).where(
        Image.seq.in_(wanted),
        Image.seq.not_in(select(row.seq)),
    )
    columns = ["seq", "model", "edited", "took_s", "failure", "failure_model", "refusals"]
    columns += ["turn", "due", "tries", "retries"]
    # Those without a row first: the others are not wanted any more once they wait.
    session.execute(insert(row).from_select(columns, missing))
    afresh = {"claim_id": None, "tries": 0, "retries": 0, "failure": "", "refusals": 0}
    session.execute(known.values(turn=turn, due=now, **afresh))


def _wanted(session: Session, wish: Wish) -> Select[int]:
    """The `seq` of all that is to be described."""
    is_wanted, matching = _meaning(wish)
    wanted = (
        select(Image.seq)
        .outerjoin(DescriptionRow, DescriptionRow.seq == Image.seq)
        .where(*matching, is_wanted)
    )
    if wish.limit:
        newest = wanted.order_by(Image.seq.desc()).offset(wish.limit - 1).limit(1)
        last = session.scalar(newest)
        if last is not None:
            wanted = wanted.where(Image.seq >= last)
    return wanted


def _meaning(wish: Wish) -> tuple[ColumnElement[bool], list[ColumnElement[bool]]]:
    """What a row must be to be described, and which rows are meant."""
    row = DescriptionRow
    is_open: ColumnElement[bool] = row.content.is_(None)
    of_others: ColumnElement[bool] = false()
    gave_up = and_(_has_failed(), row.failure_model == wish.model)
    if not (wish.ids or wish.again):
        is_open = and_(is_open, ~gave_up)
    if wish.again:
        of_others = true() if wish.ids else ~row.edited
    elif wish.other_model:
        of_others = and_(~row.edited, row.model != wish.model, ~gave_up)
    is_meant = or_(is_open, of_others)
    if wish.failed:
        is_meant = and_(_has_failed(), ~row.edited)
    is_wanted = and_(row.due.is_(None), is_meant)
    states = [state for state in DESCRIBABLE if state in wish.states] or DESCRIBABLE
    matching: list[ColumnElement[bool]] = [Image.kind.in_(EMBEDDED), Image.state.in_(states)]
    if wish.ids:
        matching.append(or_(Image.id.in_(wish.ids), Image.document_id.in_(wish.ids)))
    if wish.document_id:
        matching.append(Image.document_id == wish.document_id)
    for tag in dict.fromkeys(wish.tags):
        tagged = select(ImageTag.seq).where(ImageTag.tag == tag)
        document = aliased(Image)
        documents = select(document.id).where(document.seq.in_(tagged))  # pages have their tags
        matching.append(or_(Image.seq.in_(tagged), Image.document_id.in_(documents)))
    return is_wanted, matching


def _has_failed() -> ColumnElement[bool]:
    """False, not unknown, of what has no row; as the index of failures has it where one is."""
    row = DescriptionRow
    return and_(row.seq.is_not(None), row.failure != "", row.due.is_(None))


def _patches(
    width: ColumnElement[int], height: ColumnElement[int], max_side: int
) -> ColumnElement[float]:
    side = cast(case((width > height, width), else_=height), Float)
    area = cast(width, Float) * height / PATCH_SIDE**2
    return case((side > max_side, area * max_side * max_side / (side * side)), else_=area)


def _measured(session: Session, model: str) -> tuple[float, float]:
    """Seconds, and characters, of the last ones of this model."""
    row = DescriptionRow
    last = (
        select(row.took_s, func.length(row.content).label("chars"))
        .where(row.described_at.is_not(None), row.model == model, row.took_s > 0)
        .order_by(row.described_at.desc())
        .limit(_MEASURED)
        .subquery()
    )
    means = session.execute(select(func.avg(last.c.took_s), func.avg(last.c.chars))).one()
    return float(means[0] or 0.0), float(means[1] or 0.0)


def _rows(*conditions: ColumnExpressionArgument[bool]) -> Select[int]:
    return select(func.count()).select_from(DescriptionRow).where(*conditions)


def _count_of(session: Session, counted: Select[int]) -> int:
    return session.scalar(counted) or 0
