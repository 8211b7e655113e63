"""The text layer of a PDF page. Runs in the guarded child only."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

from viewfinder.pdf_placing import Placing
from viewfinder.pictures import ReadWord

# A page of a newspaper has 8,000 words; beyond these it is no text for people.
_MOST_CHARACTERS = 200_000
MOST_WORDS = 20_000
_LONGEST_WORD = 100

_HYPHEN = "\x02"  # PDFium's mark for a hyphen at a line's end; the next line follows at once


@dataclass(frozen=True)
class _Span:
    """Characters `start`..`end` of the text page."""

    text: str
    start: int
    end: int  # of its part in this line
    line: int


def words_of(page: Any) -> list[ReadWord]:
    """The words of a page in reading order, without those that lie beside the page."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return []
    try:
        placing = Placing.of(page)
        words: list[ReadWord] = []
        for span in _spans(text_page):
            left, top, right, bottom = placing.box(*_box(text_page, span))
            if right > left and bottom > top:
                text = _in_logical_order(text_page, placing, span)
                words.append(ReadWord(text, left, top, right, bottom, span.line))
                if len(words) == MOST_WORDS:
                    break
        return words
    finally:
        pdfium.FPDFText_ClosePage(text_page)


def cleaned(letters: str) -> str:
    """Ligatures taken apart, without control characters."""
    plain = unicodedata.normalize("NFKC", letters)
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] != "C")


def _spans(text_page: Any) -> Iterator[_Span]:
    count = min(pdfium.FPDFText_CountChars(text_page), _MOST_CHARACTERS)
    read = pdfium.FPDFText_GetUnicode
    line, start, end, letters = 0, 0, 0, ""
    for index in range(count):
        code = read(text_page, index)
        letter = chr(code) if code < 0x110000 else ""
        if letter == _HYPHEN:  # the word goes on in the next line; the box ends here
            end = end or index
            line += 1
            continue
        is_between = letter <= " " or letter.isspace()
        if is_between or len(letters) == _LONGEST_WORD:
            if word := cleaned(letters):
                first_line = line - 1 if end else line
                yield _Span(word, start, end or index, first_line)
            letters, end = "", 0
        if letter == "\n":
            line += 1
        if not is_between:
            if not letters:
                start = index
            letters += letter
    if word := cleaned(letters):
        yield _Span(word, start, end or count, line - 1 if end else line)


def _in_logical_order(text_page: Any, placing: Placing, span: _Span) -> str:
    """The word of a right-to-left script with its first letter first.

    PDFium turns such words around, for most files have them as they are seen, from the left. Where
    a file has them as they are read, or one glyph stands for several letters, that is wrong.
    """
    if span.text.isascii() or not any(
        unicodedata.bidirectional(letter) in ("R", "AL") for letter in span.text
    ):
        return span.text
    first, last = (
        placing.box(*_character_box(text_page, index))[0] for index in (span.start, span.end - 1)
    )
    return span.text[::-1] if len(span.text) > 1 and first <= last else span.text


def _character_box(text_page: Any, index: int) -> tuple[float, float, float, float]:
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    pdfium.FPDFText_GetCharBox(text_page, index, left, right, bottom, top)
    return left.value, top.value, right.value, bottom.value


def _box(text_page: Any, span: _Span) -> tuple[float, float, float, float]:
    """left, top, right, bottom in points of the page."""
    count = pdfium.FPDFText_CountRects(text_page, span.start, span.end - span.start)
    values = [ctypes.c_double() for _ in range(4)]
    boxes = []
    for index in range(count):
        if pdfium.FPDFText_GetRect(text_page, index, *values):
            boxes.append(tuple(value.value for value in values))
    if not boxes:
        return 0.0, 0.0, 0.0, 0.0
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), max(tops), max(rights), min(bottoms)
