"""The text layer of a PDF page. Runs in the guarded child only."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

from viewfinder.pictures import ReadWord

# A page of a newspaper has 8,000 words; beyond these it is no text for people.
_MOST_CHARACTERS = 200_000
_MOST_WORDS = 20_000
_LONGEST_WORD = 100

_HYPHEN = "\x02"  # PDFium's mark for a hyphen at a line's end; the next line follows at once
_VIRTUAL_SIDE = 1_000_000  # PDFium's device coordinates are integers


@dataclass(frozen=True)
class _Span:
    """Characters `start`..`end` of the text page."""

    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class _Placing:
    """From points of the page to shares of the page as shown."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @staticmethod
    def of(page: Any) -> _Placing:
        x0, y0 = _on_device(page, 0.0, 0.0)
        far = max(pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page), 1.0)
        x1, y1 = _on_device(page, far, 0.0)
        x2, y2 = _on_device(page, 0.0, far)
        return _Placing((x1 - x0) / far, (x2 - x0) / far, x0, (y1 - y0) / far, (y2 - y0) / far, y0)

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        """left, top, right, bottom in shares, cut to the page."""
        xs = [self.a * x + self.b * y + self.c for x in (left, right) for y in (top, bottom)]
        ys = [self.d * x + self.e * y + self.f for x in (left, right) for y in (top, bottom)]
        return tuple(
            round(min(1.0, max(0.0, value)), 5) for value in (min(xs), min(ys), max(xs), max(ys))
        )


def words_of(page: Any) -> list[ReadWord]:
    """The words of a page in reading order, without those that lie beside the page."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return []
    try:
        placing = _Placing.of(page)
        words: list[ReadWord] = []
        for span in _spans(text_page):
            left, top, right, bottom = placing.box(*_box(text_page, span))
            if right > left and bottom > top:
                words.append(ReadWord(span.text, left, top, right, bottom, span.line))
                if len(words) == _MOST_WORDS:
                    break
        return words
    finally:
        pdfium.FPDFText_ClosePage(text_page)


def _spans(text_page: Any) -> Iterator[_Span]:
    count = min(pdfium.FPDFText_CountChars(text_page), _MOST_CHARACTERS)
    read = pdfium.FPDFText_GetUnicode
    line, start, letters = 0, 0, ""
    for index in range(count):
        code = read(text_page, index)
        letter = chr(code) if 0 < code < 0x110000 else ""
        if letter == _HYPHEN:  # the word goes on in the next line
            continue
        if letter.isspace() or len(letters) == _LONGEST_WORD:
            if word := _clean(letters):
                yield _Span(word, start, index, line)
            letters = ""
        if letter == "\n":
            line += 1
        if letter and not letter.isspace():
            if not letters:
                start = index
            letters += letter
    if word := _clean(letters):
        yield _Span(word, start, count, line)


def _clean(letters: str) -> str:
    """Ligatures taken apart, without control characters."""
    plain = unicodedata.normalize("NFKC", letters)
    return "".join(letter for letter in plain if unicodedata.category(letter)[0] != "C")


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


def _on_device(page: Any, x: float, y: float) -> tuple[float, float]:
    device_x, device_y = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _VIRTUAL_SIDE, _VIRTUAL_SIDE, 0, x, y, device_x, device_y)
    return device_x.value / _VIRTUAL_SIDE, device_y.value / _VIRTUAL_SIDE
