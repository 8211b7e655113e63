"""Decoding of pictures from outside. Runs in the guarded child only (pixel_child.py).

Order matters for speed and for memory: sizes before decoding, JPEG drafts before resizing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

import pillow_heif
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from viewfinder.errors import BrokenImage, MetadataTooLarge
from viewfinder.picture_exif import read_exif, read_orientation
from viewfinder.picture_formats import PILLOW_FORMATS
from viewfinder.picture_header import check_header, check_metadata, check_size
from viewfinder.picture_shaping import TURNS, shown_size
from viewfinder.pictures import PictureInfo, PixelLimits

_TURNED_BY_READER = frozenset({"image/heic", "image/tiff"})
_LARGEST_ICC_BYTES = 16 << 10


def prepare_readers(limits: PixelLimits) -> None:
    """Set the readers up, once in a child: one thread each, bombs are errors."""
    pillow_heif.register_heif_opener()
    pillow_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    Image.init()


@dataclass(frozen=True)
class Picture:
    """An open picture that is not yet decoded."""

    image: Image.Image
    media_type: str
    exif: Image.Exif
    turn: Image.Transpose | None
    # Twice the wanted size leaves 0.22 grey levels of difference to decoding in full, once 0.57.
    oversampling: ClassVar[int] = 2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height before `turn`."""
        return self.image.size

    @property
    def icc_profile(self) -> bytes:
        """The colour profile when it is small and describes RGB: phones write Display P3."""
        profile = self.image.info.get("icc_profile")
        if not isinstance(profile, bytes) or len(profile) > _LARGEST_ICC_BYTES:
            return b""
        return profile if self.image.mode in ("RGB", "RGBA") and profile[16:20] == b"RGB " else b""

    def draw(self, at_least: tuple[int, int]) -> Image.Image:
        """Decoded, in a mode that may be resized: L, RGB or RGBA."""
        image = self.image
        # Only JPEG can do less than everything; the others ignore this.
        image.draft(None, at_least)
        image.load()
        if image.mode in ("RGB", "L", "RGBA") and "transparency" not in image.info:
            return image
        if image.mode.startswith("I") or image.mode == "F":
            return _from_deep(image)
        if image.mode == "1" and "transparency" not in image.info:
            return image.convert("L")
        has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
        return image.convert("RGBA" if has_alpha else "RGB")

    @property
    def info(self) -> PictureInfo:
        """What the header says; pixels are not decoded."""
        width, height = shown_size(self)
        frames = int(getattr(self.image, "n_frames", 1))
        return PictureInfo(self.media_type, width, height, frames, read_exif(self.exif))


def open_picture(
    file: BinaryIO,
    media_type: str,
    head: bytes,
    size_bytes: int,
    limits: PixelLimits,
    file_name: str,
) -> Picture:
    """A picture of this type, by its header.

    Raises:
        ImageTooLarge, MetadataTooLarge, BrokenImage: as named.
    """
    check_header(file, media_type, head, limits.max_pixels)
    check_metadata(file, media_type, size_bytes, limits.max_metadata_bytes)
    file.seek(0)
    # Pillow's own check knows no width and height, so it rests until ours is done.
    Image.MAX_IMAGE_PIXELS = None
    try:
        image: Image.Image = Image.open(file, formats=[PILLOW_FORMATS[media_type]])
    except UnidentifiedImageError as error:
        raise BrokenImage(file_name=file_name, reason="its header is damaged") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limits.max_pixels
    check_size(*image.size, limits.max_pixels)
    if min(image.size) < 1:
        raise BrokenImage(file_name=file_name, reason="it has no pixels")
    _check_loaded_metadata(image, limits.max_metadata_bytes)
    exif = _exif_of(image)
    turn = None if media_type in _TURNED_BY_READER else TURNS.get(read_orientation(exif))
    return Picture(image, media_type, exif, turn)


def _check_loaded_metadata(image: Image.Image, limit: int) -> None:
    size = sum(len(value) for value in image.info.values() if isinstance(value, bytes | str))
    if size > limit:
        raise MetadataTooLarge(what="Metadata in the picture (bytes)", size=size, limit=limit)


def _exif_of(image: Image.Image) -> Image.Exif:
    """EXIF that stands before the pixels; Pillow would decode a whole PNG to find it behind."""
    if image.format == "PNG" and "exif" not in image.info:
        return Image.Exif()
    try:
        return image.getexif()
    except (ValueError, TypeError, KeyError, SyntaxError, OSError, ArithmeticError):
        return Image.Exif()


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as 8 bits; Pillow would cut everything above 255 off."""
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if image.mode != "F":
        image = image.convert("I")
        if low >= 0 and high <= 65535:
            low, high = 0.0, (65535.0 if high > 255 else 255.0)
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return Image.new("L", image.size)
    scale = 255.0 / (high - low)
    offset = -low * scale
    return image.point(lambda value: value * scale + offset).convert("L")
