"""JSON objects and protobuf's Struct, into each other; and what metadata may be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from google.protobuf.struct_pb2 import Struct, Value

from viewfinder.errors import InvalidRequest, MetadataTooLarge

_DEEPEST = 8
_LONGEST_KEY = 128
_LARGEST_EXACT = 2**53  # Struct holds doubles


def from_struct(struct: Struct) -> dict[str, Any]:
    """A plain dictionary; whole numbers become int. Much faster than MessageToDict."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "bool_value":
        return value.bool_value
    return None


def to_struct(values: Mapping[str, Any]) -> Struct:
    """The Struct of checked values."""
    struct = Struct()
    struct.update(dict(values))
    return struct


def parse_object(text: str, field: str) -> dict[str, Any]:
    """The JSON object in a text field of a form.

    Raises:
        InvalidRequest: it is no JSON object.
    """
    value = _parse(text, field, "a JSON object")
    if not isinstance(value, dict):
        raise InvalidRequest(field=field, value=repr(text[:100]), allowed="a JSON object")
    return value


def parse_list(text: str, field: str) -> list[Any]:
    """The JSON list in a text field of a form.

    Raises:
        InvalidRequest: it is no JSON list.
    """
    value = _parse(text, field, "a JSON list")
    if not isinstance(value, list):
        raise InvalidRequest(field=field, value=repr(text[:100]), allowed="a JSON list")
    return value


def _parse(text: str, field: str, allowed: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            field=field, value=repr(text[:100]), allowed=f"{allowed} ({error})"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def checked_metadata(values: Mapping[str, Any], limit_bytes: int) -> Struct:
    """The user's own keys, ready to travel.

    Raises:
        InvalidRequest: a key or value that cannot be kept as it is.
        MetadataTooLarge: more than `limit_bytes` of JSON.
    """
    _check(values, "metadata", 1)
    size = len(json.dumps(values, ensure_ascii=False).encode())
    if size > limit_bytes:
        raise MetadataTooLarge(what="metadata, bytes of JSON", size=size, limit=limit_bytes)
    return to_struct(values)


def _check(value: Any, where: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise InvalidRequest(field=where[:200], value="nested deeper", allowed=f"{_DEEPEST} levels")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not 0 < len(key) <= _LONGEST_KEY or not is_text(key):
                raise InvalidRequest(
                    field=where,
                    value=f"the key {key[:100]!a}",
                    allowed=f"keys of 1 to {_LONGEST_KEY} characters",
                )
            _check(inner, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, f"{where}[{index}]", depth + 1)
    elif isinstance(value, str):
        if not is_text(value):
            raise InvalidRequest(field=where, value=ascii(value[:100]), allowed="Unicode text")
    elif isinstance(value, int | float) and (
        not math.isfinite(value) if isinstance(value, float) else abs(value) > _LARGEST_EXACT
    ):
        raise InvalidRequest(
            field=where, value=f"{str(value)[:40]}", allowed=f"numbers up to {_LARGEST_EXACT}"
        )


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
