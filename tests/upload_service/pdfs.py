"""PDFs made for tests."""

from __future__ import annotations

import io

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def pdf(pages: int = 3, password: str = "", title: str = "report") -> bytes:
    """Pages of A5 with a line of text each. The same arguments give the same bytes, unless there
    is a password."""
    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(420, 595),
        invariant=1,
        encrypt=StandardEncryption(password, "owner") if password else None,
    )
    for number in range(1, pages + 1):
        canvas.drawString(40, 500, f"{title} page {number}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()
