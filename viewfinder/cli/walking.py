"""Which files of a folder are pictures and PDFs to index."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".heic", ".heif", ".avif", ".pdf"),
    )
)


def walk(paths: Sequence[Path], *, recursive: bool) -> Iterator[Path]:
    """Files named, and pictures and PDFs in folders named, sorted, each once.

    Of folders only what has a suffix of these; hidden files and folders are left out, and
    links to folders are not followed, so that a loop cannot trap us.
    """
    seen: set[Path] = set()
    for path in paths:
        found = _in_folder(path, recursive=recursive) if path.is_dir() else iter([path])
        for file in found:
            absolute = Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow links
            if absolute not in seen:
                seen.add(absolute)
                yield absolute


def _in_folder(folder: Path, *, recursive: bool) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if recursive:
                yield from _in_folder(Path(entry.path), recursive=True)
        elif entry.is_file() and Path(entry.name).suffix.lower() in SUFFIXES:
            yield Path(entry.path)
