"""PixelSpec over the wire, for every service that passes one on."""

from __future__ import annotations

from dataclasses import asdict

from viewfinder.pictures import PixelSpec
from viewfinder.v1 import common_pb2


def pixel_spec_of(message: common_pb2.PixelSpec) -> PixelSpec:
    """The spec of a message. Raises InvalidRequest for what this version does not know."""
    return PixelSpec.checked(
        message.size,
        message.resize_mode or "shortest",
        message.interpolation or "bicubic",
        message.fill,
        message.multiple,
        message.min_pixels,
        message.max_pixels,
    )


def pixel_spec_message(spec: PixelSpec) -> common_pb2.PixelSpec:
    """The message of a spec."""
    return common_pb2.PixelSpec(**asdict(spec))
