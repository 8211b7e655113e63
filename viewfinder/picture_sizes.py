"""Sizes to draw at: plain arithmetic, in pixels."""

from __future__ import annotations

import math

from viewfinder.pictures import PixelSpec

# A strip of 1 x 1,000,000 pixels must not become 224 x 224,000,000.
LONGEST_ASPECT = 4
# Qwen2-VL's processor refuses more than 1 to 200.
_LONGEST_ASPECT_WITHIN = 100

# A PDF page is drawn at 150 dpi, and at less where that were too many pixels.
_PAGE_SCALE = 150 / 72  # pixels per point
_PAGE_SIDE = 2000
_PAGE_PIXELS = 4_000_000


def at_most_aspect(width: int, height: int) -> tuple[int, int]:
    """What is left when the ends of a strip are cut off."""
    return min(width, height * LONGEST_ASPECT), min(height, width * LONGEST_ASPECT)


def page_size(width_pt: float, height_pt: float) -> tuple[int, int]:
    """Width and height in pixels of a page of this size in points, which may be anything.

    Raises:
        ValueError: the size is no size.
    """
    if not (0 < width_pt < math.inf and 0 < height_pt < math.inf):
        raise ValueError(f"{width_pt:g} x {height_pt:g} points is no size of a page")
    scale = min(
        _PAGE_SCALE,
        _PAGE_SIDE / max(width_pt, height_pt),
        math.sqrt(_PAGE_PIXELS / width_pt / height_pt),
    )
    return max(1, round(width_pt * scale)), max(1, round(height_pt * scale))


def within(width: int, height: int, spec: PixelSpec) -> tuple[int, int]:
    """The size for a spec "within": one that smart_resize of transformers' Qwen2-VL leaves alone.

    It is its rule (image_processing_qwen2_vl.py), repeated until nothing changes, for pictures of
    which no side is longer than 100 times the other; longer ones are squeezed.
    """
    wanted = (
        max(width, math.ceil(height / _LONGEST_ASPECT_WITHIN)),
        max(height, math.ceil(width / _LONGEST_ASPECT_WITHIN)),
    )
    for _ in range(8):
        before, wanted = wanted, _smart_resize(*wanted, spec)
        if wanted == before:
            break
    return wanted


def _smart_resize(width: int, height: int, spec: PixelSpec) -> tuple[int, int]:
    step, area = spec.multiple, width * height
    wanted = max(step, round(width / step) * step), max(step, round(height / step) * step)
    if wanted[0] * wanted[1] > spec.max_pixels:
        shrink = math.sqrt(area / spec.max_pixels)
        return (
            max(step, math.floor(width / shrink / step) * step),
            max(step, math.floor(height / shrink / step) * step),
        )
    if wanted[0] * wanted[1] < spec.min_pixels:
        grow = math.sqrt(spec.min_pixels / area)
        return math.ceil(width * grow / step) * step, math.ceil(height * grow / step) * step
    return wanted
