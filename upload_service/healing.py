"""A catalogue and an index that were not copied at the same moment, made to agree.

The catalogue is the truth. What it holds as indexed and the index has not is embedded again; what
the index holds and the catalogue does not hold as indexed is left out of it; payloads of before or
after a change are written again. Work that was in the hands of a worker is given out anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from upload_service.database import Writer
from upload_service.descriptions import Described, descriptions_of
from upload_service.documents import follow_all
from upload_service.encoder_rows import ACTIVE, BESIDE, by_role
from upload_service.kinds import EMBEDDED
from upload_service.reindexing import Spec, key_of
from upload_service.states import INDEXED, QUEUED, STORED
from upload_service.tables import DescriptionRow, Image, ImageVector

_AT_ONCE = 500


@dataclass(frozen=True)
class StoredVectors:
    """What an index has of one encoder: `points` are dicts with `id` and `payload`."""

    encoder: str
    active: bool
    points: Iterable[dict[str, Any]]


@dataclass
class Healed:
    """What was done. `answers` is the encoder whose vectors are to answer searches, None while
    the catalogue was never told: then the one that answered does."""

    answers: Spec | None = None
    to_embed: int = 0
    to_refresh: int = 0
    unknown: int = 0


class Healing:
    """`leave_out` is called with every id of the index that must not be restored."""

    def __init__(
        self, writer: Writer, clock: Callable[[], float], leave_out: Callable[[str], None]
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._leave_out = leave_out

    def heal(self, collections: Iterable[StoredVectors]) -> Healed:
        """Do all of it, in one transaction. Blocking."""
        return self._writer.write(lambda session: self._heal(session, collections))

    def _heal(self, session: Session, collections: Iterable[StoredVectors]) -> Healed:
        self._release_claims(session)
        active = by_role(session).get(ACTIVE)
        healed = Healed(answers=None if active is None else active.spec)
        session.execute(text("CREATE TEMP TABLE restored (encoder TEXT, id TEXT)"))
        session.execute(text("CREATE INDEX temp.ix_restored ON restored (encoder, id)"))
        for collection in collections:
            answers = (
                collection.active if active is None else collection.encoder == key_of(active.spec)
            )
            for points in _batches(collection.points):
                self._take(session, collection.encoder, answers, points, healed)
        self._embed_again(session, healed)
        self._mend_others(session)
        follow_all(session, self._clock())
        session.execute(text("DROP TABLE restored"))
        return healed

    def _take(
        self,
        session: Session,
        encoder: str,
        answers: bool,
        points: list[dict[str, Any]],
        healed: Healed,
    ) -> None:
        of_points = Image.id.in_([str(point["id"]) for point in points])
        rows = {
            row.id: row
            for row in session.scalars(select(Image).where(of_points, Image.state == INDEXED))
        }
        shown = descriptions_of(session, rows.values())
        for point in points:
            row = rows.get(str(point["id"]))
            if row is None:
                self._leave_out(str(point["id"]))
                healed.unknown += 1
                continue
            payload = point.get("payload") or {}
            if _is_other(payload, row, shown.get(row.id)) and row.work_due is None:
                row.work_due = self._clock()
                healed.to_refresh += 1
        if rows:
            key = "" if answers else encoder
            session.execute(
                text("INSERT INTO restored VALUES (:encoder, :id)"),
                [{"encoder": key, "id": image_id} for image_id in rows],
            )

    def _embed_again(self, session: Session, healed: Healed) -> None:
        """Indexed pictures and pages whose vector is not there."""
        has_no_vector = text("images.id NOT IN (SELECT id FROM restored WHERE encoder = '')")
        done = session.execute(
            update(Image)
            .where(Image.state == INDEXED, Image.kind.in_(EMBEDDED), has_no_vector)
            .values(state=STORED, indexed_at=None, indexed_version=0, work_due=self._clock())
            .execution_options(synchronize_session=False)
        )
        healed.to_embed = int(getattr(done, "rowcount", 0))

    def _mend_others(self, session: Session) -> None:
        """Vectors of the encoders beside the active one that are counted as done, but lost."""
        for role, row in by_role(session).items():
            if role == ACTIVE:
                continue
            lost = (
                ImageVector.encoder == row.key,
                ImageVector.due.is_(None),
                ImageVector.failure == "",
                text(
                    "image_vectors.seq NOT IN (SELECT seq FROM images JOIN restored"
                    " ON restored.id = images.id WHERE restored.encoder = :key)"
                ).bindparams(key=row.key),
            )
            change = (
                update(ImageVector).values(due=self._clock(), tries=0)
                if role in BESIDE
                else delete(ImageVector)
            )
            session.execute(change.where(*lost).execution_options(synchronize_session=False))

    def _release_claims(self, session: Session) -> None:
        now = self._clock()
        plain = {"synchronize_session": False}
        claimed = update(Image).execution_options(**plain).where(Image.claim_id.is_not(None))
        session.execute(claimed.values(claim_id=None, work_due=now))
        queued = update(Image).execution_options(**plain).where(Image.state == QUEUED)
        session.execute(queued.values(state=STORED, work_due=now))
        reading = update(Image).execution_options(**plain).where(Image.read_claim_id.is_not(None))
        session.execute(reading.values(read_claim_id=None, read_due=now))
        of_descriptions = update(DescriptionRow).execution_options(**plain)
        describing = of_descriptions.where(DescriptionRow.claim_id.is_not(None))
        session.execute(describing.where(DescriptionRow.due.is_not(None)).values(due=now))
        session.execute(describing.values(claim_id=None))
        vectors = update(ImageVector).execution_options(**plain)
        open_claims = vectors.where(ImageVector.claim_id.is_not(None), ImageVector.due.is_not(None))
        session.execute(open_claims.values(claim_id=None, due=now))


def _is_other(payload: dict[str, Any], row: Image, described: Described | None) -> bool:
    """Whether what may change is not as the catalogue has it."""
    return (
        (payload.get("tags") or []) != row.tags
        or (payload.get("metadata") or {}) != row.user_metadata
        or (payload.get("description") or "") != (described.caption if described else "")
    )


def _batches(points: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(points)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
