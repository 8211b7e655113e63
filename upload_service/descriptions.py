"""What pictures and pages show, as it is kept: by a vision model, or by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from upload_service.tables import DescriptionRow, Image
from viewfinder.errors import InvalidRequest

MAX_CAPTION_CHARS = 1000
MAX_TEXT_CHARS = 8000
MAX_SETTING_CHARS = 400
MAX_WORDS = 50
MAX_WORD_CHARS = 80


@dataclass(frozen=True)
class Described:
    """`model` made it, or nobody where it is empty; `edited` by hand since."""

    caption: str
    objects: tuple[str, ...] = ()
    text: str = ""
    colours: tuple[str, ...] = ()
    setting: str = ""
    model: str = ""
    edited: bool = False
    described_at: float | None = None

    def check(self) -> None:
        """
        Raises:
            InvalidRequest: it has no caption, or something is too long.
        """
        sizes = {
            "caption": (len(self.caption), MAX_CAPTION_CHARS),
            "text": (len(self.text), MAX_TEXT_CHARS),
            "setting": (len(self.setting), MAX_SETTING_CHARS),
            "objects": (len(self.objects), MAX_WORDS),
            "colours": (len(self.colours), MAX_WORDS),
            "words": (max(map(len, (*self.objects, *self.colours)), default=0), MAX_WORD_CHARS),
        }
        for name, (size, most) in sizes.items():
            if size > most:
                raise InvalidRequest(f"description.{name}", f"{size} long", f"at most {most}")
        if not self.caption.strip():
            raise InvalidRequest("description.caption", "empty", "a sentence or two")

    @property
    def content(self) -> dict[str, Any]:
        """The part that says what it shows."""
        return {
            "caption": self.caption,
            "objects": list(self.objects),
            "text": self.text,
            "colours": list(self.colours),
            "setting": self.setting,
        }


def descriptions_of(session: Session, images: Iterable[Image]) -> dict[str, Described]:
    """By id, of those that have one."""
    ids = {image.seq: image.id for image in images}
    if not ids:
        return {}
    rows = session.scalars(
        select(DescriptionRow).where(
            DescriptionRow.seq.in_(ids), DescriptionRow.content.is_not(None)
        )
    )
    return {ids[row.seq]: _described(row, row.content or {}) for row in rows}


def _described(row: DescriptionRow, content: dict[str, Any]) -> Described:
    return Described(
        caption=content["caption"],
        objects=tuple(content["objects"]),
        text=content["text"],
        colours=tuple(content["colours"]),
        setting=content["setting"],
        model=row.model,
        edited=row.edited,
        described_at=row.described_at,
    )


def keep(row: DescriptionRow, described: Described, now: float) -> None:
    """It shows this, and nobody need look any more."""
    row.content = described.content
    row.model, row.edited, row.described_at = described.model[:200], described.edited, now
    row.failure, row.failure_model, row.refusals = "", "", 0
    row.due, row.claim_id, row.tries, row.retries = None, None, 0, 0


def edit(session: Session, image: Image, described: Described | None, now: float) -> None:
    """By hand; None takes it away."""
    row = session.get(DescriptionRow, image.seq)
    if described is None:
        if row is not None:
            session.delete(row)
        return
    if row is None:
        row = DescriptionRow(seq=image.seq, model="", took_s=0.0)
        session.add(row)
    keep(row, Described(**described.content, model=row.model, edited=True), now)
