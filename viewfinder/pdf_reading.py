"""All that can be read on a page: its text layer, and what was filled in or written upon it.

Runs in the guarded child only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pypdfium2.raw as pdfium

from viewfinder.pdf_placing import Placing
from viewfinder.pdf_text import MOST_WORDS, cleaned, words_of
from viewfinder.pictures import ReadWord

# A scan with a stamp or a page number upon it has a text layer that says nothing of what was
# scanned. Such a page is read as a picture, which finds the stamp too.
_FEW_WORDS = 15
_MOSTLY_PICTURE = 0.6  # share of the page

_MOST_OBJECTS = 2000
_DEEPEST_FORM = 3
_MOST_ANNOTATIONS = 2000
_LONGEST_VALUE = 20_000  # bytes of UTF-16
_PASSWORD_FIELD = 1 << 13
_NOT_SHOWN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_TEXT_KEYS = {pdfium.FPDF_ANNOT_WIDGET: b"V", pdfium.FPDF_ANNOT_FREETEXT: b"Contents"}


def readable_words(page: Any) -> list[ReadWord]:
    """The words of a page in reading order, then those of form fields and notes upon it.

    None where they are few and a picture covers most of the page: it is to be read as a picture.
    """
    words = words_of(page)
    line = words[-1].line + 1 if words else 0
    words += _annotation_words(page, line)
    if 0 < len(words) < _FEW_WORDS and _is_mostly_picture(page):
        return []
    return words[:MOST_WORDS]


def _annotation_words(page: Any, line: int) -> Iterator[ReadWord]:
    placing = Placing.of(page)
    for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MOST_ANNOTATIONS)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        if not annotation:
            continue
        try:
            text = _annotation_text(annotation)
            rect = pdfium.FS_RECTF()
            if not text or not pdfium.FPDFAnnot_GetRect(annotation, rect):
                continue
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
        left, top, right, bottom = placing.box(rect.left, rect.top, rect.right, rect.bottom)
        if right > left and bottom > top:
            for word in text.split():
                yield ReadWord(word, left, top, right, bottom, line)
            line += 1


def _annotation_text(annotation: Any) -> str:
    key = _TEXT_KEYS.get(pdfium.FPDFAnnot_GetSubtype(annotation))
    if key is None or pdfium.FPDFAnnot_GetFlags(annotation) & _NOT_SHOWN:
        return ""
    if pdfium.FPDFAnnot_GetValueType(annotation, key) != pdfium.FPDF_OBJECT_STRING:
        return ""  # a button's state is a name
    flags = ctypes.c_float()
    pdfium.FPDFAnnot_GetNumberValue(annotation, b"Ff", flags)
    if int(flags.value) & _PASSWORD_FIELD:
        return ""
    size = pdfium.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if not 2 < size <= _LONGEST_VALUE:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDFAnnot_GetStringValue(annotation, key, buffer, size)
    return " ".join(filter(None, (cleaned(word) for word in _decoded(bytes(buffer)).split())))


def _decoded(utf16: bytes) -> str:
    return utf16.decode("utf-16-le", "ignore").rstrip("\0")


def _is_mostly_picture(page: Any) -> bool:
    area = pdfium.FPDF_GetPageWidthF(page) * pdfium.FPDF_GetPageHeightF(page)
    covered = 0.0
    for number, item in enumerate(_objects(page)):
        if number == _MOST_OBJECTS:
            break
        if pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_IMAGE:
            edges = [ctypes.c_float() for _ in range(4)]
            if pdfium.FPDFPageObj_GetBounds(item, *edges):
                left, bottom, right, top = (edge.value for edge in edges)
                covered = max(covered, (right - left) * (top - bottom))
    return bool(covered > _MOSTLY_PICTURE * area)


def _objects(page: Any) -> Iterator[Any]:
    for index in range(pdfium.FPDFPage_CountObjects(page)):
        yield from _with_inner(pdfium.FPDFPage_GetObject(page, index), _DEEPEST_FORM)


def _with_inner(item: Any, depth: int) -> Iterator[Any]:
    yield item
    if depth and pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_FORM:
        for index in range(pdfium.FPDFFormObj_CountObjects(item)):
            yield from _with_inner(pdfium.FPDFFormObj_GetObject(item, index), depth - 1)
