"""The text a picture is found by word with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict

from viewfinder.v1 import catalog_pb2

MAX_CHARS = 20_000


def text_of(record: catalog_pb2.ImageRecord) -> str:
    """Its file name, folders, tags, category, camera, and the texts of its metadata, a line each,
    the shortest and most telling first; what is over `MAX_CHARS` is cut off."""
    metadata: dict[str, Any] = MessageToDict(record.metadata)
    exif = record.exif
    lines = [
        record.file_name,
        _folders(record),
        *record.tags,
        f"{exif.camera_make} {exif.camera_model}",
        *sorted(_texts(metadata), key=len),
    ]
    kept = dict.fromkeys(" ".join(line.split()) for line in lines)
    return "\n".join(line for line in kept if line)[:MAX_CHARS]


def _folders(record: catalog_pb2.ImageRecord) -> str:
    path = record.file_path.replace("\\", "/")
    folder, _, last = path.rpartition("/")
    return folder if last == record.file_name else path


def _texts(value: Any) -> Iterator[str]:
    """The strings in it, at whatever depth; keys and numbers are no words."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
