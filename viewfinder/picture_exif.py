"""What a camera wrote into a picture; whatever makes no sense is left out, never an error."""

from __future__ import annotations

import math
import re
from datetime import datetime
from fractions import Fraction
from typing import Any

from PIL import ExifTags, Image

from viewfinder.pictures import PictureExif

_LONGEST_NAME = 100
_OFFSET = re.compile(r"[+-]\d\d:\d\d|Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def read_exif(exif: Image.Exif) -> PictureExif:
    """Time, camera, place and orientation; missing and absurd values are None (orientation: 1)."""
    details = _directory(exif, ExifTags.IFD.Exif)
    latitude, longitude = _place(_directory(exif, ExifTags.IFD.GPSInfo))
    return PictureExif(
        taken_at=_taken_at(exif, details),
        camera_make=_name(exif.get(ExifTags.Base.Make)),
        camera_model=_name(exif.get(ExifTags.Base.Model)),
        latitude=latitude,
        longitude=longitude,
        orientation=read_orientation(exif),
    )


def read_orientation(exif: Image.Exif) -> int:
    """EXIF orientation 1..8; 1 where it is missing or absurd."""
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _directory(exif: Image.Exif, which: int) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(which))
    except (ValueError, TypeError, KeyError, SyntaxError, OSError, ArithmeticError):
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    return _CONTROL.sub(" ", value.split("\0", 1)[0]).strip()


def _name(value: object) -> str | None:
    return _text(value)[:_LONGEST_NAME] or None


def _taken_at(exif: Image.Exif, details: dict[int, Any]) -> str | None:
    candidates = (
        (details.get(ExifTags.Base.DateTimeOriginal), ExifTags.Base.OffsetTimeOriginal),
        (details.get(ExifTags.Base.DateTimeDigitized), ExifTags.Base.OffsetTimeDigitized),
        (exif.get(ExifTags.Base.DateTime), ExifTags.Base.OffsetTime),
    )
    for value, offset_tag in candidates:
        try:
            moment = datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        offset = _text(details.get(offset_tag))
        if _OFFSET.fullmatch(offset) is None:
            return moment.isoformat()
        try:
            return datetime.fromisoformat(moment.isoformat() + offset).isoformat()
        except ValueError:  # an offset of 25 hours
            return moment.isoformat()
    return None


def _place(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), 90.0)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), 180.0)
    if latitude is None or longitude is None or (latitude == 0.0 and longitude == 0.0):
        return None, None  # 0, 0 is what phones write when they do not know
    if _text(gps.get(ExifTags.GPS.GPSLatitudeRef)).upper().startswith("S"):
        latitude = -latitude
    if _text(gps.get(ExifTags.GPS.GPSLongitudeRef)).upper().startswith("W"):
        longitude = -longitude
    return latitude, longitude


def _degrees(value: Any, limit: float) -> float | None:
    """Degrees, minutes and seconds as one number; None unless all are finite and in their range."""
    try:
        degrees, minutes, seconds = (_number(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not (degrees >= 0.0 and 0.0 <= minutes < 60.0 and 0.0 <= seconds <= 60.0):
        return None
    total = degrees + minutes / 60.0 + seconds / 3600.0
    return round(total, 7) if math.isfinite(total) and total <= limit else None


def _number(part: Any) -> float:
    if isinstance(part, tuple) and len(part) == 2:
        return float(Fraction(*part))
    return float(part)
