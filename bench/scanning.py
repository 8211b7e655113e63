"""Pages as a scanner or a camera gives them: pixels, a little turned and noisy, without text."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

_SCAN_DPI = 110
_PHOTO_DPI = 150
_SCREEN_DPI = 96
_POINTS_AN_INCH = 72


def as_scanned_pdf(pdf: bytes, random: np.random.Generator) -> bytes:
    """The same pages as grey pictures in a PDF of their size that has no text layer."""
    scans = [_scanned(page, random) for page in _rendered(pdf, _SCAN_DPI)]
    buffer = io.BytesIO()
    scans[0].save(
        buffer,
        "PDF",
        resolution=_SCAN_DPI,
        save_all=True,
        append_images=scans[1:],
        quality=70,
        creationDate=None,
        modDate=None,
    )
    return buffer.getvalue()


def as_photo(pdf: bytes, random: np.random.Generator) -> bytes:
    """Its first page as a JPEG: paper on a dark table, not quite straight."""
    (page, *_) = _rendered(pdf, _PHOTO_DPI)
    margin = page.width // 8
    table = Image.new("RGB", (page.width + 2 * margin, page.height + 2 * margin), (74, 62, 54))
    table.paste(page, (margin, margin))
    turned = table.rotate(
        float(random.uniform(-3, 3)), Image.Resampling.BICUBIC, fillcolor=(74, 62, 54)
    )
    return _jpeg(_noisy(turned.filter(ImageFilter.GaussianBlur(0.5)), 5, random))


def as_screenshot(pdf: bytes) -> bytes:
    """Its first page as a JPEG, as sharp as a screen."""
    (page, *_) = _rendered(pdf, _SCREEN_DPI)
    return _jpeg(page)


def _rendered(pdf: bytes, dpi: int) -> Iterator[Image.Image]:
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page in document:
            yield page.render(scale=dpi / _POINTS_AN_INCH).to_pil().convert("RGB")
    finally:
        document.close()


def _scanned(page: Image.Image, random: np.random.Generator) -> Image.Image:
    turned = page.convert("L").rotate(
        float(random.uniform(-1, 1)), Image.Resampling.BICUBIC, fillcolor=255
    )
    return _noisy(turned.filter(ImageFilter.GaussianBlur(0.4)), 6, random)


def _noisy(picture: Image.Image, deviation: float, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture, np.float32)
    noise = random.normal(0, deviation, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
