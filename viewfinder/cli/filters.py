"""Filters as they are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_FILTER = re.compile(r"\s*([\w.-]+)\s*(!=|>=|<=|>|<|=)\s*(.*)", re.DOTALL)
_BOUNDS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_NUMERIC_KEYS = {"width", "height", "size_bytes", "page"}
_CIRCLE = ("lat", "lon", "radius_m")
_BOX = ("top", "left", "bottom", "right")
_RULE = (
    "write key=value, key=a,b, key!=value, key=* (is there), key!=* (is not), key>=1, key<2,"
    " location=LAT,LON,METRES or location=TOP,LEFT,BOTTOM,RIGHT"
)


def parse_filters(expressions: Sequence[str]) -> dict[str, Any]:
    """`key=value`, `key=a,b` (any of), `key!=value`, `key=*` (is there), `key>=1`, `key<2`.

    Several of one key must all hold. `location` takes a circle or a box, as numbers.

    Raises:
        ValueError: an expression is none of these; the text says which and what is allowed.
    """
    filters: dict[str, Any] = {}
    for expression in expressions:
        match = _FILTER.fullmatch(expression)
        if match is None or not match[3].strip(" ,"):
            raise ValueError(f"{expression!r} is no filter; {_RULE}")
        key, operator, text = match[1], match[2], match[3].strip()
        part = _part(key, operator, text, expression)
        before = filters.get(key)
        if before is None:
            filters[key] = part
        else:
            filters[key] = {**_as_object(before), **_as_object(part)}
    return filters


def _part(key: str, operator: str, text: str, expression: str) -> Any:
    if operator in _BOUNDS:
        return {_BOUNDS[operator]: _value(key, text)}
    if text == "*":
        return {"exists": operator == "="}
    if key == "location":
        wanted: Any = _place(text, expression)
    else:
        values = [_value(key, part.strip()) for part in text.split(",") if part.strip()]
        wanted = values if len(values) > 1 else values[0]
    return {"not": wanted} if operator == "!=" else wanted


def _as_object(wanted: Any) -> dict[str, Any]:
    if isinstance(wanted, dict):
        return wanted
    return {"any": wanted if isinstance(wanted, list) else [wanted]}


def _place(text: str, expression: str) -> dict[str, float]:
    try:
        numbers = [float(number) for number in text.split(",")]
        names = {3: _CIRCLE, 4: _BOX}[len(numbers)]
    except (ValueError, KeyError):
        raise ValueError(f"{expression!r} is no place; {_RULE}") from None
    return dict(zip(names, numbers, strict=True))


def _value(key: str, text: str) -> str | int | float | bool:
    if key in _NUMERIC_KEYS or key.startswith("metadata."):
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        if text in ("true", "false"):
            return text == "true"
    return text
