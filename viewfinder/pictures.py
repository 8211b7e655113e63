"""What is known and wanted of a picture: plain data that crosses process borders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from viewfinder.errors import InvalidRequest

RenditionFormat = Literal["webp", "jpeg"]
ResizeMode = Literal["shortest", "squash", "longest"]
Interpolation = Literal["bicubic", "bilinear"]

# To be raised when renditions are made in another way (quality, method): it is part of their ETag.
RENDITION_VERSION = 1


@dataclass(frozen=True)
class PixelSpec:
    """How an encoder wants its pixels: RGB uint8 [size, size, 3].

    `shortest` resizes the shorter side to `size` and crops the centre, `squash` ignores the aspect,
    `longest` resizes the longer side and fills the rest with `fill` in all three channels.
    """

    size: int
    resize_mode: ResizeMode = "shortest"
    interpolation: Interpolation = "bicubic"
    fill: int = 0

    @staticmethod
    def checked(size: int, resize_mode: str, interpolation: str, fill: int = 0) -> PixelSpec:
        """From another process. Raises InvalidRequest for what this version does not know."""
        if resize_mode not in get_args(ResizeMode) or interpolation not in get_args(Interpolation):
            raise InvalidRequest(
                "spec.pixels", f"{resize_mode!r}, {interpolation!r}", "as in common.proto"
            )
        return PixelSpec(size, resize_mode, interpolation, fill)  # type: ignore[arg-type]


@dataclass(frozen=True)
class PixelLimits:
    """What one picture may cost. CPU time counts, so that a busy machine refuses nobody."""

    max_pixels: int = 50_000_000
    max_metadata_bytes: int = 8 << 20
    timeout_s: float = 20.0  # CPU seconds; six times as long by the clock
    memory_bytes: int = 2 << 30  # address space of the decoding process


@dataclass(frozen=True)
class PictureExif:
    """What the camera wrote, as far as it makes sense."""

    taken_at: str | None = None  # ISO 8601; with an offset only where the camera knew it
    camera_make: str | None = None
    camera_model: str | None = None
    latitude: float | None = None  # degrees, WGS 84, north is positive
    longitude: float | None = None  # degrees, WGS 84, east is positive
    orientation: int = 1  # EXIF 1..8; width and height of PictureInfo are after it


@dataclass(frozen=True)
class PictureInfo:
    """What the header of a picture says."""

    media_type: str
    width: int  # as shown, after rotation
    height: int
    frames: int
    exif: PictureExif = field(default_factory=PictureExif)
