"""How a made page looks: invoice, letter, slide, receipt, screenshot, drawn by reportlab."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

Sort = Literal["invoice", "letter", "slide", "receipt", "screenshot"]

SIZES: dict[Sort, tuple[float, float]] = {
    "invoice": (420, 595),
    "letter": (420, 595),
    "slide": (640, 360),
    "receipt": (226, 330),
    "screenshot": (640, 400),
}
"""Points, 1/72 inch."""


class ReportlabMissing(Exception):
    """Documents cannot be made; the text says how to install what makes them."""


@dataclass(frozen=True)
class Written:
    """What stands on a page. `who` made it, for `whom`, about `things`; `when` is a month."""

    sort: Sort
    number: int
    who: str
    whom: str
    when: str
    things: tuple[str, ...]
    prices: tuple[int, ...]  # cents, one a thing


def pdf_of(pages: Sequence[Written]) -> bytes:
    """A PDF with a text layer; the same pages give the same bytes.

    Raises:
        ReportlabMissing: it is not installed.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise ReportlabMissing(
            "documents are made with reportlab: pip install 'viewfinder[bench]'"
        ) from None
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    draw = {
        "invoice": _invoice,
        "letter": _letter,
        "slide": _slide,
        "receipt": _receipt,
        "screenshot": _screenshot,
    }
    for page in pages:
        canvas.setPageSize(SIZES[page.sort])
        draw[page.sort](canvas, page)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _line(
    canvas: Canvas, left: float, top: float, text: str, size: float, bold: bool = False
) -> None:
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    canvas.drawString(left, top, text)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _invoice(canvas: Canvas, page: Written) -> None:
    _line(canvas, 40, 535, page.who, 20, bold=True)
    canvas.line(40, 525, 380, 525)
    _line(canvas, 40, 490, f"Invoice No. {page.number}", 14, bold=True)
    _line(canvas, 250, 490, f"Date: {page.number % 28 + 1} {page.when} 2024", 12)
    _line(canvas, 40, 455, "To", 11)
    _line(canvas, 40, 438, page.whom, 13)
    for row, (thing, cents) in enumerate(zip(page.things, page.prices, strict=True)):
        _line(canvas, 40, 385 - 30 * row, thing.capitalize(), 13)
        _line(canvas, 320, 385 - 30 * row, _money(cents), 13)
    canvas.line(40, 290, 380, 290)
    _line(canvas, 40, 268, "Total", 14, bold=True)
    _line(canvas, 320, 268, _money(sum(page.prices)), 14, bold=True)
    _line(canvas, 40, 90, "Payment within thirty days, please.", 11)


def _letter(canvas: Canvas, page: Written) -> None:
    _line(canvas, 40, 535, page.who, 16, bold=True)
    _line(canvas, 40, 490, page.whom, 13)
    _line(canvas, 260, 450, f"{page.number % 28 + 1} {page.when} 2024", 12)
    _line(canvas, 40, 410, f"Subject: {page.things[0]}", 14, bold=True)
    _line(canvas, 40, 370, f"Dear {page.whom},", 13)
    _line(canvas, 40, 335, f"we write to you about the {page.things[0]}.", 13)
    _line(canvas, 40, 312, f"Your reference is {page.number}. Please call us", 13)
    _line(canvas, 40, 289, f"before the end of {page.when}.", 13)
    _line(canvas, 40, 240, "Yours sincerely,", 13)
    _line(canvas, 40, 205, page.who, 13)


def _slide(canvas: Canvas, page: Written) -> None:
    width, height = SIZES["slide"]
    canvas.setFillGray(0.2)
    canvas.rect(0, height - 80, width, 80, stroke=0, fill=1)
    canvas.setFillGray(1)
    _line(canvas, 40, height - 52, page.who, 30, bold=True)
    canvas.setFillGray(0)
    for row, thing in enumerate(page.things):
        canvas.circle(52, height - 142 - 55 * row, 5, fill=1)
        _line(canvas, 72, height - 150 - 55 * row, thing.capitalize(), 24)
    _line(canvas, 40, 24, f"{page.whom}, {page.when} 2024", 13)
    _line(canvas, width - 60, 24, str(page.number % 40 + 1), 13)


def _receipt(canvas: Canvas, page: Written) -> None:
    _line(canvas, 30, 295, page.who.upper(), 13, bold=True)
    _line(canvas, 30, 272, f"{page.number % 28 + 1} {page.when[:3].upper()} 2024", 10)
    _line(canvas, 130, 272, f"{8 + page.number % 12}:{10 + page.number % 50}", 10)
    for row, (thing, cents) in enumerate(zip(page.things, page.prices, strict=True)):
        _line(canvas, 30, 235 - 24 * row, thing, 11)
        _line(canvas, 160, 235 - 24 * row, _money(cents), 11)
    _line(canvas, 30, 140, "TOTAL", 13, bold=True)
    _line(canvas, 160, 140, _money(sum(page.prices)), 13, bold=True)
    _line(canvas, 30, 108, f"SERVED BY {page.whom.split()[0].upper()}", 10)
    _line(canvas, 30, 60, "THANK YOU", 11)


def _screenshot(canvas: Canvas, page: Written) -> None:
    width, height = SIZES["screenshot"]
    canvas.setFillGray(0.86)
    canvas.rect(0, height - 34, width, 34, stroke=0, fill=1)
    canvas.setFillGray(0)
    _line(canvas, 20, height - 23, page.who, 14, bold=True)
    for column, name in enumerate(("File", "Edit", "View", "Help")):
        _line(canvas, 20 + 60 * column, height - 58, name, 12)
    canvas.setFillGray(0.95)
    canvas.roundRect(120, 90, 400, 180, 10, stroke=1, fill=1)
    canvas.setFillGray(0)
    _line(canvas, 145, 235, page.things[0].capitalize(), 17, bold=True)
    _line(canvas, 145, 205, f"See also: {page.things[1]}", 13)
    _line(canvas, 145, 182, f"Signed in as {page.whom}", 13)
    canvas.setFillGray(0.25)
    canvas.roundRect(430, 105, 70, 28, 6, stroke=0, fill=1)
    canvas.setFillGray(1)
    _line(canvas, 455, 114, "OK", 12, bold=True)
    canvas.setFillGray(0)
    _line(canvas, 20, 16, f"Code {page.number}", 11)
