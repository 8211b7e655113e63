"""The text a picture is found by word with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from google.protobuf.json_format import MessageToDict

from viewfinder.v1 import catalog_pb2, common_pb2

MAX_CHARS = 20_000


def text_of(record: catalog_pb2.ImageRecord, read: str | None = None) -> str:
    """Its file name, folders, tags, category, camera, and the texts of its metadata, a line each,
    the shortest and most telling first, what it shows, then what stands in it: `read`, or else
    what was read of it before. What is over `MAX_CHARS` is cut off."""
    metadata: dict[str, Any] = MessageToDict(record.metadata)
    exif = record.exif
    text = record.text if read is None else read
    lines = [
        record.file_name,
        _folders(record),
        *record.tags,
        f"{exif.camera_make} {exif.camera_model}",
        *sorted(_texts(metadata), key=len),
        *_shown(record.description, with_text=not text),
        *text.splitlines(),
    ]
    kept = dict.fromkeys(" ".join(line.split()) for line in lines)
    return "\n".join(line for line in kept if line)[:MAX_CHARS]


def described_text(description: catalog_pb2.Description) -> str:
    """All that a description says."""
    lines = dict.fromkeys(" ".join(line.split()) for line in _shown(description, with_text=True))
    return "\n".join(line for line in lines if line)[:MAX_CHARS]


def _shown(description: catalog_pb2.Description, with_text: bool) -> Iterator[str]:
    """The words of a description. What was read in a picture counts more than what a model reads,
    and words that stand there twice would count twice."""
    yield description.caption
    yield ", ".join(description.objects)
    yield description.setting
    yield ", ".join(description.colours)
    if with_text:
        yield from description.text.splitlines()


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


def plain_text(words: Iterable[common_pb2.Word]) -> str:
    """What was read as running text, a line a line."""
    lines = groupby(words, key=lambda word: word.line)
    return "\n".join(" ".join(word.text for word in line) for _, line in lines)
