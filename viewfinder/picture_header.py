"""Limits that are checked by reading headers only, before a decoder sees or allocates anything."""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO

from viewfinder.errors import ImageTooLarge, MetadataTooLarge

_BOX_SEARCH_BYTES = 1 << 20
_PNG_PIXEL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL", b"IEND"})
_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_LAYOUT_TAGS = frozenset({273, 279, 324, 325, 320, 330})  # offsets, byte counts, colour map
_MAX_STEPS = 1_000_000


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise ImageTooLarge when there are too many pixels."""
    if width * height > max_pixels:
        raise ImageTooLarge(width=width, height=height, limit_pixels=max_pixels)


def check_header(file: BinaryIO, media_type: str, head: bytes, max_pixels: int) -> None:
    """Check the sizes of those formats whose readers allocate as soon as they open a file.

    Raises:
        ImageTooLarge: the header promises too many pixels.
    """
    if media_type == "image/webp":
        width, height = _webp_size(head)
        check_size(width, height, max_pixels)
    elif media_type == "image/gif":
        width, height = struct.unpack_from("<HH", head.ljust(10, b"\0"), 6)
        check_size(width, height, max_pixels)
    elif media_type in ("image/heic", "image/avif"):
        file.seek(0)
        for found in re.finditer(rb"ispe\0\0\0\0(.{8})", file.read(_BOX_SEARCH_BYTES), re.DOTALL):
            width, height = struct.unpack(">II", found[1])
            check_size(width, height, max_pixels)


def _webp_size(head: bytes) -> tuple[int, int]:
    kind, data = head[12:16], head[20:30].ljust(10, b"\0")
    if kind == b"VP8X":
        canvas = int.from_bytes(data[4:7], "little"), int.from_bytes(data[7:10], "little")
        return canvas[0] + 1, canvas[1] + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 6)
    return width & 0x3FFF, height & 0x3FFF


def check_metadata(file: BinaryIO, media_type: str, size_bytes: int, max_bytes: int) -> None:
    """Add up what is not pixels, walking from header to header.

    Raises:
        MetadataTooLarge: there is more of it than allowed.
    """
    measure = {
        "image/jpeg": _jpeg_metadata_bytes,
        "image/png": _png_metadata_bytes,
        "image/webp": _webp_metadata_bytes,
        "image/tiff": _tiff_metadata_bytes,
    }.get(media_type)
    if measure is None or size_bytes <= max_bytes:
        return  # a file cannot hold more than itself; the rest is measured when it is open
    try:
        size = measure(file)
    except (struct.error, IndexError):  # cut short: the decoder will say so
        return
    if size > max_bytes:
        raise MetadataTooLarge(what="Metadata in the picture (bytes)", size=size, limit=max_bytes)


def _jpeg_metadata_bytes(file: BinaryIO) -> int:
    file.seek(2)
    total = 0
    for _ in range(_MAX_STEPS):
        marker = file.read(4)
        if len(marker) < 4 or marker[0] != 0xFF or marker[1] == 0xDA:
            break
        length = int.from_bytes(marker[2:4], "big")
        if 0xE0 <= marker[1] <= 0xEF or marker[1] == 0xFE:
            total += length
        file.seek(max(0, length - 2), io.SEEK_CUR)
    return total


def _png_metadata_bytes(file: BinaryIO) -> int:
    file.seek(8)
    total = 0
    for _ in range(_MAX_STEPS):
        header = file.read(8)
        if len(header) < 8 or header[4:] == b"IEND":
            break
        length = int.from_bytes(header[:4], "big")
        if header[4:] not in _PNG_PIXEL_CHUNKS:
            total += length
        file.seek(length + 4, io.SEEK_CUR)
    return total


def _webp_metadata_bytes(file: BinaryIO) -> int:
    file.seek(12)
    total = 0
    for _ in range(_MAX_STEPS):
        header = file.read(8)
        if len(header) < 8:
            break
        length = int.from_bytes(header[4:], "little")
        if header[:4] in (b"EXIF", b"XMP ", b"ICCP"):
            total += length
        file.seek(length + (length & 1), io.SEEK_CUR)
    return total


def _tiff_metadata_bytes(file: BinaryIO) -> int:
    file.seek(0)
    start = file.read(8)
    order = "<" if start[:2] == b"II" else ">"
    if start[2:4] not in (b"*\0", b"\0*"):
        return 0  # BigTIFF: measured when it is open
    file.seek(struct.unpack(order + "I", start[4:8])[0])
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = file.read(12 * count)
    total = 0
    for tag, kind, values, _ in struct.iter_unpack(order + "HHII", entries):
        if tag not in _TIFF_LAYOUT_TAGS:
            total += _TIFF_TYPE_BYTES.get(kind, 1) * values
    return total
