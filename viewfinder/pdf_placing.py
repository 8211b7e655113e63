"""Where things lie on a page as shown. Runs in the guarded child only."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

_VIRTUAL_SIDE = 1_000_000  # PDFium's device coordinates are integers


@dataclass(frozen=True)
class Placing:
    """From points of the page to shares of the page as shown."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @staticmethod
    def of(page: Any) -> Placing:
        """Of an open page."""
        x0, y0 = _on_device(page, 0.0, 0.0)
        far = max(pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page), 1.0)
        x1, y1 = _on_device(page, far, 0.0)
        x2, y2 = _on_device(page, 0.0, far)
        return Placing((x1 - x0) / far, (x2 - x0) / far, x0, (y1 - y0) / far, (y2 - y0) / far, y0)

    def box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        """left, top, right, bottom in shares, cut to the page."""
        xs = [self.a * x + self.b * y + self.c for x in (left, right) for y in (top, bottom)]
        ys = [self.d * x + self.e * y + self.f for x in (left, right) for y in (top, bottom)]
        return tuple(
            round(min(1.0, max(0.0, value)), 5) for value in (min(xs), min(ys), max(xs), max(ys))
        )


def _on_device(page: Any, x: float, y: float) -> tuple[float, float]:
    device_x, device_y = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _VIRTUAL_SIDE, _VIRTUAL_SIDE, 0, x, y, device_x, device_y)
    return device_x.value / _VIRTUAL_SIDE, device_y.value / _VIRTUAL_SIDE
