"""What is known and wanted of a picture: plain data that crosses process borders."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from viewfinder.errors import InvalidRequest

RenditionFormat = Literal["webp", "jpeg"]
ResizeMode = Literal["shortest", "squash", "longest", "within"]
Interpolation = Literal["bicubic", "bilinear"]

# Of PixelSpec "within": what a spec from another process may ask for.
_LARGEST_MULTIPLE = 1024
_LARGEST_WITHIN = 16_000_000

# To be raised when renditions are made in another way (quality, method): it is part of their ETag.
RENDITION_VERSION = 2


@dataclass(frozen=True)
class PixelSpec:
    """How an encoder wants its pixels: RGB uint8 [size, size, 3].

    `shortest` resizes the shorter side to `size` and crops the centre, `squash` ignores the aspect,
    `longest` resizes the longer side and fills the rest with `fill` in all three channels.

    `within` gives [height, width, 3] with the aspect of the picture as nearly as both sides can be
    multiples of `multiple` and their product lie in `min_pixels`..`max_pixels`; `size` is unused.
    """

    size: int
    resize_mode: ResizeMode = "shortest"
    interpolation: Interpolation = "bicubic"
    fill: int = 0
    multiple: int = 0
    min_pixels: int = 0
    max_pixels: int = 0

    @staticmethod
    def checked(
        size: int,
        resize_mode: str,
        interpolation: str,
        fill: int = 0,
        multiple: int = 0,
        min_pixels: int = 0,
        max_pixels: int = 0,
    ) -> PixelSpec:
        """From another process. Raises InvalidRequest for what this version does not know."""
        if resize_mode not in get_args(ResizeMode) or interpolation not in get_args(Interpolation):
            raise InvalidRequest(
                "spec.pixels", f"{resize_mode!r}, {interpolation!r}", "as in common.proto"
            )
        if resize_mode == "within" and not (
            0 < multiple <= _LARGEST_MULTIPLE
            and multiple**2 <= max_pixels <= _LARGEST_WITHIN
            and min_pixels <= max_pixels
        ):
            raise InvalidRequest(
                "spec.pixels",
                f"multiples of {multiple}, {min_pixels} to {max_pixels} pixels",
                f"at least one square of the multiple, at most {_LARGEST_WITHIN} pixels",
            )
        return PixelSpec(
            size,
            resize_mode,  # type: ignore[arg-type]
            interpolation,  # type: ignore[arg-type]
            fill,
            multiple,
            min_pixels,
            max_pixels,
        )

    def as_json(self) -> dict[str, Any]:
        """As it is stored: what belongs to "within" only stands there when it is used."""
        within = ("multiple", "min_pixels", "max_pixels")
        return {key: value for key, value in asdict(self).items() if value or key not in within}


@dataclass(frozen=True)
class PixelLimits:
    """What one picture may cost. CPU time counts, so that a busy machine refuses nobody."""

    max_pixels: int = 50_000_000
    max_metadata_bytes: int = 8 << 20
    timeout_s: float = 20.0  # CPU seconds; six times as long by the clock
    memory_bytes: int = 2 << 30  # address space of the decoding process
    max_pages: int = 2000  # of a PDF
    document_timeout_s: float = 4.0  # CPU seconds for opening a PDF and one of its pages
    document_memory_bytes: int = 240 << 20  # of a PDF, beyond what the process has without it


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
class PageSize:
    """Of a page as shown, in pixels at 150 dpi (less where that were too many)."""

    width: int
    height: int


@dataclass(frozen=True)
class PictureInfo:
    """What the header of a picture says, or a PDF without drawing it."""

    media_type: str
    width: int  # as shown, after rotation; of a PDF: of its first page
    height: int
    frames: int
    exif: PictureExif = field(default_factory=PictureExif)
    pages: tuple[PageSize, ...] = ()  # of a PDF, in order; empty: a picture


@dataclass(frozen=True)
class PdfPage:
    """One page of a PDF, wherever a picture may stand."""

    file: Path | bytes
    page: int  # from 1
    password: str = field(default="", repr=False)


Source = Path | bytes | PdfPage


@dataclass(frozen=True)
class ReadWord:
    """A word that stands in a picture, and its box in shares (0..1) of the picture as shown."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: int  # words of one line have the same number, lines count from 0 in reading order
    confidence: float = 1.0  # 0..1; 1 of a text layer
