"""Decoding of bytes from outside. Runs in the guarded child only (pixel_child.py).

Order matters for speed and for memory: sizes before decoding, JPEG drafts before resizing, resizing
before changes of mode and before rotation, and never a second copy of the full picture.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import BinaryIO

import pillow_heif
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from viewfinder.errors import BrokenImage, MetadataTooLarge
from viewfinder.picture_exif import read_exif, read_orientation
from viewfinder.picture_formats import PILLOW_FORMATS, sniff
from viewfinder.picture_header import check_header, check_metadata, check_size
from viewfinder.pictures import PictureInfo, PixelLimits, PixelSpec, RenditionFormat

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED_BY_READER = frozenset({"image/heic", "image/tiff"})
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}

# Twice the wanted size leaves 0.22 grey levels of difference to decoding in full, once 0.57.
_DRAFT_FACTOR = 2
# A strip of 1 x 1,000,000 pixels must not become 224 x 224,000,000.
_LONGEST_ASPECT = 4
_LARGEST_ICC_BYTES = 16 << 10


def prepare_readers(limits: PixelLimits) -> None:
    """Set the readers up, once in a child: one thread each, bombs are errors."""
    pillow_heif.register_heif_opener()
    pillow_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    Image.init()


@dataclass(frozen=True)
class _Picture:
    """An open picture that is not yet decoded."""

    image: Image.Image
    media_type: str
    exif: Image.Exif
    turn: Image.Transpose | None  # what is left to do so that it is as shown

    @property
    def is_turned_sideways(self) -> bool:
        return self.turn in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])

    @property
    def shown_size(self) -> tuple[int, int]:
        width, height = self.image.size
        return (height, width) if self.is_turned_sideways else (width, height)


def inspect(file: BinaryIO, size_bytes: int, limits: PixelLimits, file_name: str) -> PictureInfo:
    """What the header says; pixels are not decoded.

    Raises:
        EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: as named.
    """
    picture = _open(file, size_bytes, limits, file_name)
    width, height = picture.shown_size
    frames = int(getattr(picture.image, "n_frames", 1))
    return PictureInfo(picture.media_type, width, height, frames, read_exif(picture.exif))


def prepare(
    file: BinaryIO, size_bytes: int, limits: PixelLimits, file_name: str, spec: PixelSpec
) -> bytes:
    """The first frame as an encoder wants it: RGB uint8 [size, size, 3], C order.

    Raises:
        EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: as named.
    """
    picture = _open(file, size_bytes, limits, file_name)
    image, size = picture.image, spec.size
    width, height = image.size
    if spec.resize_mode == "squash":
        resized = (size, size)
    elif spec.resize_mode == "longest":
        long = max(width, height)
        resized = max(1, round(width * size / long)), max(1, round(height * size / long))
    else:
        width, height = _at_most_aspect(width, height)
        short = min(width, height)
        resized = (size * width // short, size * height // short)
    image = _load(image, resized)
    if spec.resize_mode == "shortest":
        image = _crop_strip(image)
    image = image.resize(resized, _RESAMPLING[spec.interpolation])
    if spec.resize_mode == "longest":
        return _filled(_as_shown(image, picture.turn), size, spec.fill).tobytes()
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    if resized != (size, size):
        image = image.crop((left, top, left + size, top + size))
    return _as_shown(image, picture.turn).tobytes()


def render(
    file: BinaryIO,
    size_bytes: int,
    limits: PixelLimits,
    file_name: str,
    width: int,
    image_format: RenditionFormat,
) -> bytes:
    """The first frame at most `width` wide and four times as high, never enlarged, encoded.

    Raises:
        EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: as named.
    """
    picture = _open(file, size_bytes, limits, file_name)
    shown_width, shown_height = picture.shown_size
    scale = min(1.0, width / shown_width, width * _LONGEST_ASPECT / shown_height)
    wanted = max(1, round(shown_width * scale)), max(1, round(shown_height * scale))
    resized = (wanted[1], wanted[0]) if picture.is_turned_sideways else wanted
    icc_profile = _kept_icc_profile(picture.image)
    image = _load(picture.image, resized)
    if image.size != resized:
        image = image.resize(resized, Image.Resampling.BICUBIC, reducing_gap=2.0)
    image = _as_shown(image, picture.turn)
    out = io.BytesIO()
    if image_format == "webp":
        image.save(out, "WEBP", quality=80, method=3, icc_profile=icc_profile)
    else:
        image.save(out, "JPEG", quality=85, progressive=True, icc_profile=icc_profile or None)
    return out.getvalue()


def _open(file: BinaryIO, size_bytes: int, limits: PixelLimits, file_name: str) -> _Picture:
    media_type, head = sniff(file, size_bytes, file_name)
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
    turn = None if media_type in _TURNED_BY_READER else _TURNS.get(read_orientation(exif))
    return _Picture(image, media_type, exif, turn)


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


def _kept_icc_profile(image: Image.Image) -> bytes:
    """The colour profile when it is small and describes RGB: phones write Display P3."""
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or len(profile) > _LARGEST_ICC_BYTES:
        return b""
    return profile if image.mode in ("RGB", "RGBA") and profile[16:20] == b"RGB " else b""


def _load(image: Image.Image, resized: tuple[int, int]) -> Image.Image:
    """Decoded, in a mode that may be resized: L, RGB or RGBA."""
    # Only JPEG can do less than everything; the others ignore this.
    image.draft(None, (resized[0] * _DRAFT_FACTOR, resized[1] * _DRAFT_FACTOR))
    image.load()
    if image.mode in ("RGB", "L", "RGBA") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.mode == "1" and "transparency" not in image.info:
        return image.convert("L")
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


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


def _at_most_aspect(width: int, height: int) -> tuple[int, int]:
    return min(width, height * _LONGEST_ASPECT), min(height, width * _LONGEST_ASPECT)


def _crop_strip(image: Image.Image) -> Image.Image:
    """The middle of a strip: nothing farther out can reach the centre crop."""
    width, height = _at_most_aspect(*image.size)
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


def _as_shown(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    """RGB on white, turned as its EXIF says."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        image = white
    elif image.mode != "RGB":
        image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)
