"""Protobuf messages as this service's own types, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from google.protobuf.struct_pb2 import Struct, Value

from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexPoint, Vector, Vectors
from search_service.words import Bm25Words
from viewfinder.errors import InvalidRequest
from viewfinder.pixel_spec_wire import pixel_spec_message, pixel_spec_of
from viewfinder.v1 import common_pb2, search_pb2

_EXACT_INTEGERS = 2**53


def plain(struct: Struct, field: str) -> dict[str, Any]:
    """A Struct as a dict; whole numbers as int, since a Struct knows only doubles.

    Raises:
        InvalidRequest: a number is NaN or infinite.
    """
    return {key: _plain_value(value, f"{field}.{key}") for key, value in struct.fields.items()}


def _plain_value(value: Value, field: str) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            raise InvalidRequest(field[:200], str(number), "finite numbers")
        whole = number.is_integer() and abs(number) <= _EXACT_INTEGERS
        return int(number) if whole else number
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_plain_value(item, field) for item in value.list_value.values]
    if kind == "struct_value":
        return plain(value.struct_value, field)
    return None


def struct_of(values: Mapping[str, Any]) -> Struct:
    """A dict as a Struct."""
    struct = Struct()
    struct.update(dict(values))
    return struct


def point_of(point: search_pb2.Point, words: Bm25Words) -> IndexPoint:
    """Raises InvalidRequest when the id is no UUID. Without a text, nothing is said of words."""
    return IndexPoint(
        uuid_of(point.id),
        plain(point.payload, "payload"),
        words.of_document(point.text, point.described) if point.text else None,
    )


def uuid_of(text: str) -> UUID:
    """Raises InvalidRequest when this is no UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest("id", repr(text)[:100], "UUIDs") from None


def spec_of(message: common_pb2.EncoderSpec) -> EncoderSpec:
    """Raises InvalidRequest when a part is missing or not allowed."""
    if not message.name or not message.revision or not 1 <= message.dim <= 65_536:
        raise InvalidRequest("spec", f"{message.name!r} of {message.dim} numbers", "a whole spec")
    return EncoderSpec(
        name=message.name,
        revision=message.revision,
        kind=message.kind,
        dim=message.dim,
        pixels=pixel_spec_of(message.pixels),
    )


def spec_message(spec: EncoderSpec) -> common_pb2.EncoderSpec:
    """The spec for the wire."""
    return common_pb2.EncoderSpec(
        name=spec.name,
        revision=spec.revision,
        kind=spec.kind,
        dim=spec.dim,
        pixels=pixel_spec_message(spec.pixels),
    )


def vectors_of(message: common_pb2.Vectors) -> Vector:
    """float32 [count, dim], a view of the message's bytes. Raises InvalidRequest for a torn one."""
    if message.count * message.dim * 4 != len(message.data):
        raise InvalidRequest(
            "vectors", f"{len(message.data)} bytes", f"{message.count} x {message.dim} float32"
        )
    return np.frombuffer(message.data, dtype="<f4").reshape(message.count, message.dim)


def matrices_of(message: common_pb2.MultiVectors) -> list[Vector]:
    """float32 [rows, dim] each, views of the message's bytes.

    Raises:
        InvalidRequest: the rows are not as many as their bytes.
    """
    rows = list(message.rows)
    if sum(rows) * message.dim * 4 != len(message.data):
        raise InvalidRequest(
            "multi", f"{len(message.data)} bytes", f"{sum(rows)} x {message.dim} float32"
        )
    together = np.frombuffer(message.data, dtype="<f4").reshape(sum(rows), message.dim)
    ends = np.cumsum(rows)
    return [together[end - count : end] for end, count in zip(ends, rows, strict=True)]


def either_of(message: search_pb2.UpsertRequest | search_pb2.StoredPoints) -> Vectors:
    """The vectors of a message, or its matrices where it has those."""
    if message.HasField("multi"):
        return matrices_of(message.multi)
    return vectors_of(message.vectors)


def matrices_message(matrices: Sequence[Vector]) -> common_pb2.MultiVectors:
    """Matrices [rows, dim] for the wire."""
    return common_pb2.MultiVectors(
        data=b"".join(np.ascontiguousarray(one, dtype="<f4").tobytes() for one in matrices),
        rows=[len(one) for one in matrices],
        dim=matrices[0].shape[1] if matrices else 0,
    )
