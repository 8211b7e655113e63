"""Files that are either as before or as after, whatever happens in between."""

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
        sync_path(path.parent)
    except OSError as error:
        raise StorageFull(where=str(path), reason=error.strerror or str(error)) from error


def sync_log(folder: Path) -> None:
    """Fsync the write-ahead log of the shard in this folder, whoever has it open.

    Raises:
        StorageFull: the disk refuses.
    """
    log = folder / "wal"
    while log.exists():
        try:
            for file in (*log.iterdir(), log):
                sync_path(file)
        except FileNotFoundError:
            continue  # a full segment of the log was renamed meanwhile: look again
        except OSError as error:
            raise StorageFull(str(folder), error.strerror or str(error)) from error
        return


def sync_path(path: Path) -> None:
    """Fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
