"""Small files that are either as before or as after, whatever happens in between."""

from __future__ import annotations

import os
from pathlib import Path

from viewfinder.errors import StorageFull


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file's content; on return it survives loss of power.

    Raises:
        StorageFull: the disk is full or not writable.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StorageFull(where=str(path), reason=error.strerror or str(error)) from error
