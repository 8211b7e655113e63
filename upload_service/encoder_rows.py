"""The rows behind a reindex: what an encoder has vectors of, and making another the active one."""

from __future__ import annotations

from sqlalchemy import Select, delete, exists, insert, literal, select, update
from sqlalchemy.orm import Session

from upload_service.documents import follow_all
from upload_service.kinds import EMBEDDED
from upload_service.states import FAILED, INDEXED, STORED
from upload_service.tables import EncoderRow, Image, ImageVector

ACTIVE, CANDIDATE, PREVIOUS = "active", "candidate", "previous"
# Of pages, beside the active one; the former is there until its vectors are dropped.
DOCUMENT_ENCODER, FORMER_DOCUMENT_ENCODER = "document", "former document"
BESIDE = (CANDIDATE, DOCUMENT_ENCODER)  # what is embedded for them goes into their own collections


def by_role(session: Session) -> dict[str, EncoderRow]:
    """The encoders the catalogue was told of."""
    return {row.role: row for row in session.scalars(select(EncoderRow))}


def waiting(row: EncoderRow, now: float) -> Select[Image]:
    """Handed out before, and to be tried again."""
    return (
        select(Image)
        .join(ImageVector, ImageVector.seq == Image.seq)
        .where(ImageVector.encoder == row.key, ImageVector.due <= now, Image.state == INDEXED)
        .order_by(ImageVector.due)
    )


def behind_cursor(row: EncoderRow, kind: str) -> Select[Image]:
    """Never handed out, of pictures or pages."""
    return (
        select(Image)
        .where(
            Image.seq > row.cursor,
            Image.state == INDEXED,
            Image.kind == kind,
            ~exists().where(ImageVector.encoder == row.key, ImageVector.seq == Image.seq),
        )
        .order_by(Image.seq)
    )


def is_complete(session: Session, row: EncoderRow) -> bool:
    """Whether this encoder has a vector, or a reason for none, of all that is in the index."""
    behind = select(Image.seq).where(
        Image.state == INDEXED,
        Image.kind.in_(EMBEDDED),
        ~exists().where(
            ImageVector.encoder == row.key,
            ImageVector.seq == Image.seq,
            ImageVector.due.is_(None),
        ),
    )
    return session.scalar(behind.limit(1)) is None


def make_active(
    session: Session, active: EncoderRow | None, target: EncoderRow, now: float
) -> None:
    """From now on `target` is the active encoder, and `active` the one before.

    Pictures and pages that `target` has no vector of wait to be embedded with it.
    """
    of_target = select(ImageVector.seq).where(ImageVector.encoder == target.key)
    if active is not None:
        session.execute(delete(ImageVector).where(ImageVector.encoder == active.key))
        indexed = select(literal(active.key), Image.seq, literal(""), literal(0)).where(
            Image.state == INDEXED, Image.kind.in_(EMBEDDED)
        )
        columns = ["encoder", "seq", "failure", "tries"]
        session.execute(insert(ImageVector).from_select(columns, indexed))
    of_images = update(Image).execution_options(synchronize_session=False)
    failed = select(ImageVector.seq).where(
        ImageVector.encoder == target.key, ImageVector.failure != ""
    )
    session.execute(
        of_images.where(Image.state == INDEXED, Image.seq.in_(failed)).values(
            state=FAILED,
            failure=f"{target.key} cannot embed it",
            work_due=None,
            claim_id=None,
        )
    )
    session.execute(
        of_images.where(
            Image.state == INDEXED, Image.kind.in_(EMBEDDED), Image.seq.not_in(of_target)
        ).values(state=STORED, indexed_at=None, indexed_version=0, work_due=now, claim_id=None)
    )
    follow_all(session, now)
    session.execute(delete(ImageVector).where(ImageVector.encoder == target.key))
    if active is not None:
        active.role = f"was {ACTIVE}"  # roles are unique: one free step between the two
        session.flush()
    target.role, target.announce, target.hold = ACTIVE, True, False
    session.flush()
    if active is not None:
        active.role, active.announce = PREVIOUS, False
        session.flush()
    session.expire_all()


def forget_vectors(session: Session, image: Image) -> None:
    """Its vectors were taken out of all collections; each encoder embeds it again."""
    session.execute(delete(ImageVector).where(ImageVector.seq == image.seq))
