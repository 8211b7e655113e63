"""Search filters: what a request may ask of a picture's payload, checked and typed.

A value is a scalar (equals), a list (any of), or an object of these, which may stand together:

    gte, gt, lte, lt    a range of numbers or of times
    any                 a list, any of
    exists              true: the field has a value; false: it has none
    not                 a scalar, a list or an object without `not`: what must not hold
    lat, lon, radius_m  a place at most so far away (metres)
    top, left, bottom, right, or two corners top_left and bottom_right {lat, lon}: a box

All conditions of a request must hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from search_service.conditions import AnyMoment as AnyMoment
from search_service.conditions import AnyOf as AnyOf
from search_service.conditions import Condition as Condition
from search_service.conditions import Exists as Exists
from search_service.conditions import FieldCondition as FieldCondition
from search_service.conditions import InBox as InBox
from search_service.conditions import Nearby as Nearby
from search_service.conditions import Not as Not
from search_service.conditions import NumberRange as NumberRange
from search_service.conditions import TimeRange as TimeRange
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
        "document": "text",
        "description": "text",
        "page": "integer",
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
_MAX_RADIUS_M = 20_040_000  # half way round the world
_HAIR = 1e-6  # degrees, about a decimetre: see InBox

_BOUNDS = frozenset({"gte", "gt", "lte", "lt"})
_CIRCLE = frozenset({"lat", "lon", "radius_m"})
_BOX = frozenset({"top", "left", "bottom", "right"})
_CORNERS = frozenset({"top_left", "bottom_right"})
_OTHERS = frozenset({"any", "exists", "not"})
_PARTS = _BOUNDS | _CIRCLE | _BOX | _CORNERS | _OTHERS


def parse_filters(filters: Mapping[str, object]) -> tuple[Condition, ...]:
    """The conditions of a request's filter object.

    Raises:
        UnknownFilterKey: a key that is not in ALLOWED_KEYS.
        InvalidRequest: a value of the wrong kind, an empty list, a bound that is no number.
    """
    if len(filters) > _MAX_CONDITIONS:
        raise InvalidRequest("filters", f"{len(filters)} keys", f"at most {_MAX_CONDITIONS} keys")
    return tuple(
        condition
        for key, value in filters.items()
        for condition in _conditions(check_key(key), value)
    )


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        UnknownFilterKey: it is not in ALLOWED_KEYS.
    """
    if key.startswith(METADATA_PREFIX):
        name = key.removeprefix(METADATA_PREFIX)
        if name and len(name) <= _MAX_NAME_CHARS and '"' not in name and name.isprintable():
            return key
    elif key in FILTER_KEYS:
        return key
    raise UnknownFilterKey(key=key[:200], allowed=ALLOWED_KEYS)


def _conditions(key: str, value: object) -> Iterator[Condition]:
    if not isinstance(value, Mapping):
        yield _any_of(key, value)
        return
    if "not" not in value:
        yield from _parts(key, value)
        return
    yield from _parts(key, {part: inner for part, inner in value.items() if part != "not"}, 0)
    unwanted = value["not"]
    if isinstance(unwanted, Mapping):
        if "not" in unwanted:
            raise _wrong(key, dict(value), "a `not` without another one inside")
        conditions = list(_parts(key, unwanted))
    else:
        conditions = [_any_of(key, unwanted)]
    if len(conditions) != 1:
        raise _wrong(key, dict(value), "one range, one list, one place or `exists` inside of `not`")
    condition = conditions[0]
    yield condition.condition if isinstance(condition, Not) else Not(condition)


def _parts(key: str, value: Mapping[str, object], least: int = 1) -> Iterator[Condition]:
    """What an object without `not` asks; it has to ask `least` things at the least."""
    parts = set(value)
    if len(parts) < least or not parts <= _PARTS:
        allowed = "a range of gte, gt, lte, lt; or any, exists, not"
        raise _wrong(key, dict(value), f"{allowed}; or a place")
    if "any" in parts:
        if not isinstance(value["any"], list | tuple):
            raise _wrong(key, dict(value), "a list for `any`")
        yield _any_of(key, value["any"])
    if "exists" in parts:
        if not isinstance(value["exists"], bool):
            raise _wrong(key, dict(value), "true or false for `exists`")
        yield Exists(key) if value["exists"] else Not(Exists(key))
    if bounds := {bound: value[bound] for bound in value if bound in _BOUNDS}:
        yield _range(key, bounds)
    if parts & _CIRCLE:
        yield _nearby(key, {part: value[part] for part in parts & _CIRCLE})
    if parts & (_BOX | _CORNERS):
        yield _in_box(key, {part: value[part] for part in parts & (_BOX | _CORNERS)})


def _kind(key: str) -> KeyKind | Literal["free"]:
    return FILTER_KEYS.get(key, "free")


def _any_of(key: str, value: object) -> AnyOf | AnyMoment:
    items = _items(key, value)
    match _kind(key):
        case "text":
            return AnyOf(key, tuple(_text(key, item) for item in items))
        case "integer":
            return AnyOf(key, tuple(_number(key, item) for item in items))
        case "time":
            return AnyMoment(key, tuple(_moment(key, item) for item in items))
        case "free":
            return AnyOf(key, tuple(_scalar(key, item) for item in items))
        case "place":
            raise _wrong(key, value, "a place: {lat, lon, radius_m} or {top, left, bottom, right}")


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


def _range(key: str, bounds: Mapping[str, object]) -> NumberRange | TimeRange:
    kind = _kind(key)
    if kind in ("text", "place"):
        raise _wrong(key, dict(bounds), "ranges of numbers and times only")
    if kind == "time" or (
        kind == "free" and any(isinstance(bound, str) for bound in bounds.values())
    ):
        return TimeRange(key, **{bound: _moment(key, moment) for bound, moment in bounds.items()})
    return NumberRange(key, **{bound: _number(key, number) for bound, number in bounds.items()})


def _nearby(key: str, value: Mapping[str, object]) -> Nearby:
    allowed = f"{{lat: -90..90, lon: -180..180, radius_m: above 0, at most {_MAX_RADIUS_M}}}"
    _check_place(key, value, _CIRCLE, allowed)
    latitude, longitude, radius_m = (
        _number(key, value[name], allowed) for name in ("lat", "lon", "radius_m")
    )
    if not (_on_earth(latitude, longitude) and 0 < radius_m <= _MAX_RADIUS_M):
        raise _wrong(key, dict(value), allowed)
    return Nearby(key, latitude, longitude, radius_m)


def _in_box(key: str, value: Mapping[str, object]) -> InBox:
    allowed = "{top, left, bottom, right} in degrees, or corners top_left, bottom_right {lat, lon}"
    if set(value) & _CORNERS:
        _check_place(key, value, _CORNERS, allowed)
        ends = []
        for corner in (value["top_left"], value["bottom_right"]):
            if not isinstance(corner, Mapping) or set(corner) != {"lat", "lon"}:
                raise _wrong(key, dict(value), allowed)
            ends += [_number(key, corner["lat"], allowed), _number(key, corner["lon"], allowed)]
        top, left, bottom, right = ends
    else:
        _check_place(key, value, _BOX, allowed)
        top, left, bottom, right = (
            _number(key, value[name], allowed) for name in ("top", "left", "bottom", "right")
        )
    if not (_on_earth(top, left) and _on_earth(bottom, right)) or top <= bottom or left == right:
        raise _wrong(key, dict(value), f"{allowed}; the top above the bottom, left beside right")
    if right - left >= 360 - 2 * _HAIR:
        left, right = _HAIR - 180, 180 - _HAIR
    return InBox(key, min(top, 90 - _HAIR), left, max(bottom, _HAIR - 90), right)


def _check_place(
    key: str, value: Mapping[str, object], parts: frozenset[str], allowed: str
) -> None:
    if set(value) != parts or _kind(key) not in ("place", "free"):
        raise _wrong(key, dict(value), allowed if set(value) != parts else "no place")


def _on_earth(latitude: float, longitude: float) -> bool:
    return -90 <= latitude <= 90 and -180 <= longitude <= 180


def _wrong(key: str, value: object, allowed: str) -> InvalidRequest:
    return InvalidRequest(field=f"filters.{key}", value=repr(value)[:200], allowed=allowed)
