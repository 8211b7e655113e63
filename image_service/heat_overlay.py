"""Draws why a picture was found: a heat map over it, and boxes around words.

Pixels come from the guarded decoder, so nothing here reads bytes from outside.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from viewfinder.pictures import PixelSpec, RenditionFormat

FloatArray = NDArray[np.float32]
Pixels = NDArray[np.uint8]

# Inferno (Smith, van der Walt; CC0), every 17th of its 256 colours: dark to light evenly, also for
# the colour-blind and in grey.
_COLOURS = (
    "000004 0c0826 240c4f 420a68 5d126e 781c6d 932667 ae305c c73e4c dd513a ed6925 f8850f fca50a"
    " fac62d f2e661 fcffa4"
)
_STRONGEST = 0.62  # of the colours over the picture, which stays readable
_DIMMED = 0.55  # what is left of the brightness where nothing is seen
_MARKER = (255, 196, 0)
_MARKER_STRENGTH = 0.35
_OUTLINE = (200, 60, 0)


@dataclass(frozen=True)
class Box:
    """A rectangle in shares of the picture's width and height, 0..1 from the top left."""

    left: float
    top: float
    right: float
    bottom: float


def overlay(
    picture: Pixels, heat: FloatArray | None, boxes: Sequence[Box], image_format: RenditionFormat
) -> bytes:
    """uint8 [height, width, 3] with a map float32 [height, width] and boxes drawn, encoded."""
    drawn = picture if heat is None else heated(picture, heat)
    image = Image.fromarray(np.ascontiguousarray(drawn))
    if boxes:
        image = marked(image, boxes)
    out = io.BytesIO()
    if image_format == "webp":
        image.save(out, "WEBP", quality=80, method=3)
    else:
        image.save(out, "JPEG", quality=85, progressive=True)
    return out.getvalue()


def shrunk(picture: Pixels, width: int) -> Pixels:
    """At most `width` wide, never enlarged."""
    height, full = picture.shape[:2]
    if full <= width:
        return picture
    size = width, max(1, round(height * width / full))
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(image)


def placed(cells: FloatArray, spec: PixelSpec, width: int, height: int) -> FloatArray:
    """A map [rows, columns] of what the encoder got, as float32 [height, width] over the picture.

    Where the encoder did not look, because it was cropped away, the map is 0.
    """
    if spec.resize_mode == "shortest":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        whole = np.zeros((height, width), np.float32)
        whole[top : top + side, left : left + side] = _enlarged(cells, side, side)
        return whole
    if spec.resize_mode == "longest":
        side = max(width, height)
        left, top = (side - width) // 2, (side - height) // 2
        return _enlarged(cells, side, side)[top : top + height, left : left + width]
    return _enlarged(cells, width, height)


def heated(picture: Pixels, heat: FloatArray) -> Pixels:
    """Dimmed where nothing is seen, coloured where the text is."""
    colours = _colour_table()[np.round(heat * 255).astype(np.uint8)]
    strength = (_STRONGEST * _eased(heat, 0.15, 0.9))[..., None]
    brightness = (_DIMMED + (1 - _DIMMED) * _eased(heat, 0.0, 0.7))[..., None]
    mixed = picture * brightness * (1 - strength) + colours * strength
    return np.asarray(np.round(mixed), np.uint8)


def marked(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """Boxes lightly filled like a marker pen, and outlined."""
    width, height = image.size
    line = max(1, round(max(width, height) / 500))
    rectangles = [
        (
            round(box.left * width) - line,
            round(box.top * height) - line,
            max(round(box.right * width), round(box.left * width) + 1) + line,
            max(round(box.bottom * height), round(box.top * height) + 1) + line,
        )
        for box in boxes
    ]
    filled = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(filled)
    for rectangle in rectangles:
        draw.rectangle(rectangle, fill=round(255 * _MARKER_STRENGTH))
    marked_image = Image.composite(Image.new("RGB", image.size, _MARKER), image, filled)
    draw = ImageDraw.Draw(marked_image)
    for rectangle in rectangles:
        draw.rectangle(rectangle, outline=_OUTLINE, width=line)
    return marked_image


def _enlarged(cells: FloatArray, width: int, height: int) -> FloatArray:
    image = Image.fromarray(np.ascontiguousarray(cells, np.float32))  # mode "F"
    smooth = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return np.asarray(np.clip(smooth, 0, 1), np.float32)


def _eased(values: FloatArray, low: float, high: float) -> FloatArray:
    """0 up to `low`, 1 from `high` on, smooth between them."""
    x = np.clip((values - low) / (high - low), 0, 1)
    eased: FloatArray = x * x * (3 - 2 * x)
    return eased


def _colour_table() -> FloatArray:
    """float32 [256, 3]."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _COLOURS.split()], np.float32)
    at = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(at, np.arange(len(anchors)), anchors[:, i]) for i in range(3)]
    return np.stack(columns, 1).astype(np.float32)
