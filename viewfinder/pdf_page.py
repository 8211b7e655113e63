"""Drawing pages of PDFs. Runs in the guarded child only."""

from __future__ import annotations

import ctypes
from typing import Any

import pypdfium2.raw as pdfium
from PIL import Image

from viewfinder.errors import BrokenImage
from viewfinder.pdf_document import Document
from viewfinder.picture_sizes import page_size

_WHITE = 0xFFFFFFFF
# With annotations, as readers show them; RGB rather than BGR.
_FLAGS = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER


class Page:
    """A page as shown: crop box, turned by its /Rotate.

    PDFium knows no /UserUnit. It only says how large a large page is, and those are drawn at less
    than 150 dpi anyway.
    """

    turn: Image.Transpose | None = None
    icc_profile = b""
    # For 224 pixels of an A4 page: 12 ms instead of 27 ms at 150 dpi, cosine of the bundled encoder
    # at least 0.997; twice the size saves 4 ms more and costs a cosine of 0.987.
    oversampling = 3

    def __init__(self, document: Document, number: int, file_name: str) -> None:
        """Raises BrokenImage: there is no such page, or it has no size."""
        self._file_name = file_name
        self._handle: Any = document.page(number)
        self._form: Any = document.form
        width_pt = pdfium.FPDF_GetPageWidthF(self._handle)
        height_pt = pdfium.FPDF_GetPageHeightF(self._handle)
        try:
            self.size = page_size(width_pt, height_pt)
        except ValueError as error:
            raise BrokenImage(file_name=file_name, reason=f"page {number}: {error}") from None

    def draw(self, at_least: tuple[int, int]) -> Image.Image:
        """RGB on white, so large that it covers `at_least`, never beyond full size."""
        width, height = self.size
        scale = min(1.0, max(at_least[0] / width, at_least[1] / height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return Image.frombuffer("RGB", size, self._drawn(*size), "raw", "RGB", 0, 1)  # type: ignore[arg-type]

    def pixels_within(self, max_side: int) -> tuple[int, int, memoryview]:
        """Width, height and RGB on white at full size, or as large as `max_side` allows."""
        width, height = self.size
        scale = min(1.0, max_side / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        return width, height, self._drawn(width, height)

    def _drawn(self, width: int, height: int) -> memoryview:
        stride = width * 3
        pixels = (ctypes.c_uint8 * (stride * height))()
        bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGR, pixels, stride)
        if not bitmap:
            raise MemoryError
        try:
            pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, _WHITE)
            where = bitmap, self._handle, 0, 0, width, height, 0, _FLAGS
            pdfium.FPDF_RenderPageBitmap(*where)
            if self._form:
                pdfium.FPDF_FFLDraw(self._form, *where)
        finally:
            pdfium.FPDFBitmap_Destroy(bitmap)
        return memoryview(pixels).cast("B")
