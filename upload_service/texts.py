"""What was read in pictures and on pages: kept with the boxes of its words."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from upload_service.tables import Image, Text
from viewfinder.pictures import ReadWord

PDF, OCR = "pdf", "ocr"
SOURCES = (PDF, OCR)
MAX_CHARS = 20_000  # of the plain text that goes to the index
MAX_WORDS = 50_000


@dataclass(frozen=True)
class ReadText:
    """The words of one picture or page, in reading order; `reader` names what read them."""

    source: str
    words: Sequence[ReadWord]
    reader: str = ""


@dataclass(frozen=True)
class PackedText:
    """The same as it is stored."""

    source: str
    reader: str
    text: str
    words: bytes
    is_empty: bool


def packed(read: ReadText) -> PackedText:
    """Made before the writer's turn: compressing takes a millisecond a page."""
    words = [
        (
            word.text,
            *(round(side, 5) for side in (word.left, word.top, word.right, word.bottom)),
            word.line,
            round(word.confidence, 3),
        )
        for word in read.words[:MAX_WORDS]
    ]
    content = json.dumps(words, ensure_ascii=False, separators=(",", ":"))
    return PackedText(
        source=read.source,
        reader=read.reader[:200],
        text=plain(read.words[:MAX_WORDS])[:MAX_CHARS],
        words=zlib.compress(content.encode("utf-8", "replace"), 3),
        is_empty=not words,
    )


def plain(words: Iterable[ReadWord]) -> str:
    """The words as running text, a line for every line."""
    text: list[str] = []
    line: int | None = None
    for word in words:
        if line is not None:
            text.append(" " if word.line == line else "\n")
        text.append(word.text)
        line = word.line
    return "".join(text)


def keep(session: Session, row: Image, text: PackedText, now: float, failure: str = "") -> None:
    """This is what stands in it, and it need not be read any more."""
    session.merge(
        Text(
            seq=row.seq,
            reader=text.reader,
            text=text.text,
            words=text.words,
            failure=failure,
            read_at=now,
        )
    )
    row.text_source = text.source
    row.read_due, row.read_claim_id, row.read_tries = None, None, 0


def texts_of(session: Session, rows: Iterable[Image]) -> dict[str, str]:
    """The plain text by id, of those of the rows that have one."""
    ids = {row.seq: row.id for row in rows if row.text_source}
    if not ids:
        return {}
    found = session.execute(select(Text.seq, Text.text).where(Text.seq.in_(ids)))
    return {ids[seq]: text for seq, text in found}


def stored_text(session: Session, row: Image) -> ReadText | None:
    """What was read in it, None when nothing was (yet)."""
    text = session.get(Text, row.seq)
    if text is None:
        return None
    words = [ReadWord(*word) for word in json.loads(zlib.decompress(text.words))]
    return ReadText(row.text_source, words, text.reader)


def nothing_found(source: str = OCR) -> PackedText:
    """An empty text, for what could not be read."""
    return packed(ReadText(source, ()))
