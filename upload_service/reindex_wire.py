"""Encoder specs and the progress of a reindex, as protobuf messages and back."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from upload_service.reindexing import Spec, Status
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import catalog_pb2, common_pb2


def plain_spec(message: common_pb2.EncoderSpec) -> Spec:
    """An encoder's spec as plain data.

    Raises:
        InvalidRequest: it has no name or no revision.
    """
    if not message.name or not message.revision or len(message.name + message.revision) > 190:
        raise InvalidRequest(
            field="encoder",
            value=repr(f"{message.name}@{message.revision}"[:200]),
            allowed="a name and a revision",
        )
    pixels = message.pixels
    return {
        "name": message.name,
        "revision": message.revision,
        "kind": message.kind,
        "dim": message.dim,
        "pixels": {
            "size": pixels.size,
            "resize_mode": pixels.resize_mode,
            "interpolation": pixels.interpolation,
            "fill": pixels.fill,
            "multiple": pixels.multiple,
            "min_pixels": pixels.min_pixels,
            "max_pixels": pixels.max_pixels,
        },
    }


def spec_message(spec: Spec) -> common_pb2.EncoderSpec:
    """The message of a spec."""
    return common_pb2.EncoderSpec(
        name=spec["name"],
        revision=spec["revision"],
        kind=spec["kind"],
        dim=spec["dim"],
        pixels=common_pb2.PixelSpec(**spec["pixels"]),
    )


def reindex_message(status: Status) -> catalog_pb2.Reindex:
    """How far it is."""
    message = catalog_pb2.Reindex(
        state=status.state, total=status.total, done=status.done, failed=status.failed
    )
    for field, spec in (
        ("active", status.active),
        ("candidate", status.candidate),
        ("previous", status.previous),
        ("dropped", status.dropped),
    ):
        if spec is not None:
            getattr(message, field).CopyFrom(spec_message(spec))
    if status.started_at is not None:
        started = Timestamp()
        started.FromNanoseconds(int(status.started_at * 1e9))
        message.started_at.CopyFrom(started)
    return message
