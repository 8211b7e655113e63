"""The file that becomes a backup: complete under its name, or not there at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from viewfinder.backup.archive_reader import ArchiveReader
from viewfinder.backup.layout import BackupDamagedError, BackupNotReadableError

_PARTIAL = ".partial"
_RESERVE_BYTES = 16 << 20


class TargetError(Exception):
    """The backup cannot be written there; the text says why."""


def target_of(given: Path) -> Path:
    """The file itself, or a name with the time in the folder that was given.

    Raises:
        TargetError: what is there is something else than a backup.
    """
    if given.is_dir():
        return given / time.strftime("viewfinder-%Y%m%d-%H%M%S.tar")
    if not given.parent.is_dir():
        raise TargetError(f"The folder {given.parent} is not there")
    if given.exists():
        try:
            ArchiveReader(given).__exit__(None, None, None)
        except BackupNotReadableError:
            pass
        except BackupDamagedError:
            raise TargetError(f"{given} is there and no backup; it is left alone") from None
    return given


@contextmanager
def partial_file(target: Path) -> Iterator[BinaryIO]:
    """An empty file beside `target`, which takes its place when the block ends without an error.
    What killed backups left beside it is removed.

    Raises:
        TargetError: the folder cannot be written.
    """
    path = target.with_name(f".{target.name}{_PARTIAL}")
    try:
        _drop_leftovers(target.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise TargetError(f"{target} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TargetError(f"{target} is being written by another backup") from None
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            path.rename(target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_space(target: Path, needed_bytes: int) -> None:
    """
    Raises:
        TargetError: the disk has less room than that.
    """
    free = shutil.disk_usage(target.parent).free
    if free < needed_bytes + _RESERVE_BYTES:
        raise TargetError(
            f"The backup needs about {(needed_bytes + _RESERVE_BYTES) >> 20:,} MB, the disk of"
            f" {target.parent.absolute()} has {free >> 20:,} MB left"
        )


def _drop_leftovers(folder: Path) -> None:
    for path in folder.glob(f".*.tar{_PARTIAL}"):
        with path.open("rb") as file, suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
