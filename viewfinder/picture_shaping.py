"""From something that can be drawn, a picture or a page of a PDF, to the pixels that are wanted.

Runs in the guarded child only. Resizing comes before changes of mode and before rotation, and there
is never a second copy of the full picture.
"""

from __future__ import annotations

import io
import math
from typing import Protocol

from PIL import Image

from viewfinder.picture_sizes import at_most_aspect, within
from viewfinder.pictures import PixelSpec, RenditionFormat

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({TURNS[5], TURNS[6], TURNS[7], TURNS[8]})
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

_FOR_PEOPLE = 1.5  # oversampling of what people look at; 2 took a 12 MP photo three times as long


class Drawable(Protocol):
    """A picture that is not yet decoded, or a page that is not yet drawn."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at full size, before `turn`."""

    @property
    def turn(self) -> Image.Transpose | None:
        """What is left to do so that it is as shown."""

    @property
    def oversampling(self) -> int:
        """How many times the wanted size it is to be drawn at before an encoder sees it."""

    @property
    def icc_profile(self) -> bytes:
        """The colour profile that renditions keep, or nothing."""

    def draw(self, at_least: tuple[int, int]) -> Image.Image:
        """All of it in mode L, RGB or RGBA; smaller than full size where `at_least` allows it."""


def shown_size(source: Drawable) -> tuple[int, int]:
    """Width and height as shown."""
    width, height = source.size
    return (height, width) if source.turn in _SIDEWAYS else (width, height)


def prepared(source: Drawable, spec: PixelSpec) -> Image.Image:
    """RGB as an encoder wants it."""
    if spec.resize_mode == "within":
        wanted = within(*shown_size(source), spec)
        resampling = _RESAMPLING[spec.interpolation]
        image = _resized(source, wanted, resampling, source.oversampling)
        return as_shown(image, source.turn)
    size = spec.size
    width, height = source.size
    if spec.resize_mode == "squash":
        resized = (size, size)
    elif spec.resize_mode == "longest":
        long = max(width, height)
        resized = max(1, round(width * size / long)), max(1, round(height * size / long))
    else:
        width, height = at_most_aspect(width, height)
        short = min(width, height)
        resized = (size * width // short, size * height // short)
    image = _draft(source, resized, source.oversampling)
    if spec.resize_mode == "shortest":
        image = _crop_strip(image)
    image = image.resize(resized, _RESAMPLING[spec.interpolation])
    if spec.resize_mode == "longest":
        return _filled(as_shown(image, source.turn), size, spec.fill)
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    if resized != (size, size):
        image = image.crop((left, top, left + size, top + size))
    return as_shown(image, source.turn)


def scaled(source: Drawable, width: int, height: int) -> Image.Image:
    """RGB, as shown, with the whole aspect, inside of `width` x `height` and never enlarged."""
    shown_width, shown_height = shown_size(source)
    scale = min(1.0, width / shown_width, height / shown_height)
    wanted = max(1, round(shown_width * scale)), max(1, round(shown_height * scale))
    resampling = Image.Resampling.BICUBIC
    image = _resized(source, wanted, resampling, _FOR_PEOPLE, reducing_gap=2.0)
    return as_shown(image, source.turn)


def encoded(image: Image.Image, image_format: RenditionFormat, icc_profile: bytes) -> bytes:
    """The bytes of a rendition."""
    out = io.BytesIO()
    if image_format == "webp":
        image.save(out, "WEBP", quality=80, method=3, icc_profile=icc_profile)
    else:
        image.save(out, "JPEG", quality=85, progressive=True, icc_profile=icc_profile or None)
    return out.getvalue()


def as_shown(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """RGB on white, turned as its EXIF says."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def _draft(source: Drawable, resized: tuple[int, int], factor: float) -> Image.Image:
    return source.draw((math.ceil(resized[0] * factor), math.ceil(resized[1] * factor)))


def _resized(
    source: Drawable,
    wanted: tuple[int, int],
    resampling: Image.Resampling,
    factor: float,
    reducing_gap: float | None = None,
) -> Image.Image:
    """`wanted` is as shown; the result is not turned yet."""
    before_turn = (wanted[1], wanted[0]) if source.turn in _SIDEWAYS else wanted
    image = _draft(source, before_turn, factor)
    if image.size == before_turn:
        return image
    return image.resize(before_turn, resampling, reducing_gap=reducing_gap)


def _crop_strip(image: Image.Image) -> Image.Image:
    """The middle of a strip: nothing farther out can reach the centre crop."""
    width, height = at_most_aspect(*image.size)
    if (width, height) == image.size:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _filled(image: Image.Image, size: int, fill: int) -> Image.Image:
    """In the middle of a square; an odd pixel is on the right and below, as open_clip has it."""
    if image.size == (size, size):
        return image
    square = Image.new("RGB", (size, size), (fill, fill, fill))
    square.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return square
