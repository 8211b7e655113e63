"""Search filters: what a request may ask of a picture's payload, checked and typed.

A value is a scalar (equals), a list (any of) or an object of gte, gt, lte, lt (a range);
`location` takes {lat, lon, radius_m}. All conditions of a request must hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, TypeAlias

from viewfinder.errors import InvalidRequest, UnknownFilterKey

KeyKind = Literal["text", "integer", "time", "place"]

FILTER_KEYS: Mapping[str, KeyKind] = MappingProxyType(
    {
        "file_name": "text",
        "file_path": "text",
        "tags": "text",
        "category": "text",
        "media_type": "text",
        "camera": "text",
        "size_bytes": "integer",
        "width": "integer",
        "height": "integer",
        "taken_at": "time",
        "uploaded_at": "time",
        "location": "place",
    }
)
METADATA_PREFIX = "metadata."
ALLOWED_KEYS = ", ".join([*FILTER_KEYS, "metadata.<name>"])

_MAX_CONDITIONS = 32
_MAX_VALUES = 100
_MAX_TEXT_CHARS = 4096
_MAX_NAME_CHARS = 128
_BOUNDS = ("gte", "gt", "lte", "lt")


@dataclass(frozen=True)
class AnyOf:
    """The field, or one of its items, equals one of these."""

    key: str
    values: tuple[str | bool | float, ...]


@dataclass(frozen=True)
class AnyMoment:
    """The field is one of these moments (RFC 3339, UTC)."""

    key: str
    moments: tuple[str, ...]


@dataclass(frozen=True)
class NumberRange:
    """The field is a number within these bounds."""

    key: str
    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


@dataclass(frozen=True)
class TimeRange:
    """The field is a moment within these bounds (RFC 3339, UTC)."""

    key: str
    gte: str | None = None
    gt: str | None = None
    lte: str | None = None
    lt: str | None = None


@dataclass(frozen=True)
class Nearby:
    """The field is a place at most `radius_m` metres from here (degrees, WGS 84)."""

    key: str
    latitude: float
    longitude: float
    radius_m: float


Condition: TypeAlias = AnyOf | AnyMoment | NumberRange | TimeRange | Nearby


def parse_filters(filters: Mapping[str, object]) -> tuple[Condition, ...]:
    """The conditions of a request's filter object.

    Raises:
        UnknownFilterKey: a key that is not in ALLOWED_KEYS.
        InvalidRequest: a value of the wrong kind, an empty list, a bound that is no number.
    """
    if len(filters) > _MAX_CONDITIONS:
        raise InvalidRequest("filters", f"{len(filters)} keys", f"at most {_MAX_CONDITIONS} keys")
    return tuple(_parse(key, value) for key, value in filters.items())


def _parse(key: str, value: object) -> Condition:
    if key.startswith(METADATA_PREFIX):
        name = key.removeprefix(METADATA_PREFIX)
        if not name or len(name) > _MAX_NAME_CHARS or '"' in name or not name.isprintable():
            raise UnknownFilterKey(key=key[:200], allowed=ALLOWED_KEYS)
        return _parse_metadata(key, value)
    kind = FILTER_KEYS.get(key)
    if kind is None:
        raise UnknownFilterKey(key=key[:200], allowed=ALLOWED_KEYS)
    if kind == "place":
        return _parse_place(key, value)
    if kind == "time":
        if isinstance(value, Mapping):
            return _time_range(key, value)
        return AnyMoment(key, tuple(_moment(key, item) for item in _items(key, value)))
    if kind == "integer":
        if isinstance(value, Mapping):
            return _number_range(key, value)
        return AnyOf(key, tuple(_number(key, item) for item in _items(key, value)))
    return AnyOf(key, tuple(_text(key, item) for item in _items(key, value)))


def _parse_metadata(key: str, value: object) -> Condition:
    if isinstance(value, Mapping):
        if any(isinstance(bound, str) for bound in value.values()):
            return _time_range(key, value)
        return _number_range(key, value)
    return AnyOf(key, tuple(_scalar(key, item) for item in _items(key, value)))


def _items(key: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        return (value,)
    if not 1 <= len(value) <= _MAX_VALUES:
        raise _wrong(key, f"a list of {len(value)}", f"lists of 1..{_MAX_VALUES} values")
    return value


def _scalar(key: str, value: object) -> str | bool | float:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(key, value)
    return _number(key, value, "texts, numbers, true and false")


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT_CHARS:
        raise _wrong(key, value, f"a text of at most {_MAX_TEXT_CHARS} characters, or a list")
    return value


def _number(
    key: str, value: object, allowed: str = "a number, a list of numbers, or a range"
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(key, value, allowed)
    return value


def _moment(key: str, value: object) -> str:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None:
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            utc = zoned.astimezone(UTC)
            return utc.isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        pass
    raise _wrong(key, value, "a time as in RFC 3339, such as 2026-05-01T00:00:00Z, or a date")


def _check_bounds(key: str, value: Mapping[str, object]) -> None:
    if not value or not set(value) <= set(_BOUNDS):
        raise _wrong(key, dict(value), "a range of gte, gt, lte, lt")


def _number_range(key: str, value: Mapping[str, object]) -> NumberRange:
    _check_bounds(key, value)
    return NumberRange(key, **{bound: _number(key, number) for bound, number in value.items()})


def _time_range(key: str, value: Mapping[str, object]) -> TimeRange:
    _check_bounds(key, value)
    return TimeRange(key, **{bound: _moment(key, moment) for bound, moment in value.items()})


def _parse_place(key: str, value: object) -> Nearby:
    allowed = "{lat: -90..90, lon: -180..180, radius_m: above 0}"
    if not isinstance(value, Mapping) or set(value) != {"lat", "lon", "radius_m"}:
        raise _wrong(key, value, allowed)
    latitude, longitude, radius_m = (
        _number(key, value[name], allowed) for name in ("lat", "lon", "radius_m")
    )
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and radius_m > 0):
        raise _wrong(key, value, allowed)
    return Nearby(key, latitude, longitude, radius_m)


def _wrong(key: str, value: object, allowed: str) -> InvalidRequest:
    return InvalidRequest(field=f"filters.{key}", value=repr(value)[:200], allowed=allowed)
