"""Filters as they are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_FILTER = re.compile(r"\s*([\w.-]+)\s*(>=|<=|>|<|=)\s*(.*)", re.DOTALL)
_BOUNDS = {">=": "gte", ">": "gt", "<=": "lte", "<": "lt"}
_NUMERIC_KEYS = {"width", "height", "size_bytes"}


def parse_filters(expressions: Sequence[str]) -> dict[str, Any]:
    """`key=value`, `key=a,b` (any of), `key>=1`, `key<2`; several bounds of a key become a range.

    Raises:
        ValueError: an expression is none of these; the text says which and what is allowed.
    """
    filters: dict[str, Any] = {}
    for expression in expressions:
        match = _FILTER.fullmatch(expression)
        if match is None or not match[3].strip():
            raise ValueError(
                f"{expression!r} is no filter; write key=value, key=a,b, key>=1 or key<2"
            )
        key, operator, text = match[1], match[2], match[3].strip()
        if operator == "=":
            values = [_value(key, part.strip()) for part in text.split(",") if part.strip()]
            wanted: Any = values if len(values) > 1 else values[0]
        else:
            before = filters.get(key)
            wanted = {
                **(before if isinstance(before, dict) else {}),
                _BOUNDS[operator]: _value(key, text),
            }
        filters[key] = wanted
    return filters


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
