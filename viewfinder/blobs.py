"""The originals: content-addressed, durable before anybody hears of them.

A file is written under a temporary key, flushed to the disk, then renamed to its key, so that a key
either holds the whole original or does not exist. Keys are made of the SHA-256 and the sniffed type
only; no name from outside becomes part of a path.
"""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from viewfinder.errors import InvalidRequest, StorageFull

_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}\.[a-z0-9]{1,5}")
_TEMPORARY = "incoming"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}

_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/avif": "avif",
    "application/pdf": "pdf",
}


def blob_key(sha256_hex: str, media_type: str) -> str:
    """The key of an original: `ab/abcd....jpg`."""
    return f"{sha256_hex[:2]}/{sha256_hex}.{_SUFFIXES.get(media_type, 'bin')}"


def storage_full(error: OSError, where: Path) -> StorageFull | None:
    """The error for people when this one says that nothing can be written, else None."""
    if error.errno in _NO_SPACE or isinstance(error, PermissionError):
        return StorageFull(where=str(where), reason=error.strerror or str(error))
    return None


class OriginalStore:
    """Originals in any obstore store; `root` is its folder when it is one on this machine."""

    def __init__(self, store: ObjectStore, root: Path) -> None:
        self._store = store
        self._root = root

    @classmethod
    def in_folder(cls, root: Path) -> OriginalStore:
        """Originals in a folder, which is made when it is not there.

        Raises:
            StorageFull: it cannot be made.
        """
        try:
            (root / _TEMPORARY).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFull(where=str(root), reason=error.strerror or str(error)) from error
        return cls.reading_folder(root)

    @classmethod
    def reading_folder(cls, root: Path) -> OriginalStore:
        """The same for who only reads; nothing is made."""
        return cls(LocalStore(root, mkdir=False), root)

    # --- writing: upload_service only ---

    def new_temporary(self) -> Path:
        """A path for a file on the way in, on the file system of the store."""
        return self._root / _TEMPORARY / f"{uuid.uuid4().hex}.part"

    def keep(self, temporary: Path, key: str) -> None:
        """Make a flushed temporary file the original under `key`; the same key again is no error.

        Raises:
            StorageFull: it cannot be written; the temporary file is then still there.
        """
        _check(key)
        target = self._root / key
        try:
            if self.exists(key):
                temporary.unlink(missing_ok=True)
            else:
                target.parent.mkdir(exist_ok=True)
                obstore.rename(self._store, f"{_TEMPORARY}/{temporary.name}", key)
            # Also when it was there: who renamed it may have been killed before this.
            _sync_folder(target.parent)
            _sync_folder(self._root)
        except OSError as error:
            raise storage_full(error, self._root) or error from error
        except BaseError as error:  # what obstore has no own class for; none of them an OSError
            raise self._cannot_write(error) from error

    def delete(self, key: str) -> None:
        """Remove an original; one that is not there is no error.

        Raises:
            StorageFull: it cannot be removed.
        """
        _check(key)
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, PermissionError) as error:
            raise self._cannot_write(error) from error

    def drop_temporaries(self) -> int:
        """Remove what a killed process left half written. Only at start; returns how many."""
        leftovers = list((self._root / _TEMPORARY).glob("*.part"))
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def keys_older_than(self, age_s: float) -> Iterator[str]:
        """All keys whose originals were written longer ago than this."""
        before = datetime.fromtimestamp(time.time() - age_s, tz=UTC)
        for page in obstore.list(self._store, chunk_size=1000):
            for entry in page:
                if _KEY.fullmatch(entry["path"]) and entry["last_modified"] < before:
                    yield entry["path"]

    def _cannot_write(self, error: Exception) -> StorageFull:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        return StorageFull(where=str(self._root), reason=first_line)

    # --- reading ---

    def exists(self, key: str) -> bool:
        """Whether there is an original under this key."""
        _check(key)
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def local_path(self, key: str) -> Path:
        """The original as a file of this machine, for the decoders; it may not exist."""
        _check(key)
        return self._root / key

    async def size_bytes(self, key: str) -> int:
        """The size of an original.

        Raises:
            FileNotFoundError: there is none.
        """
        _check(key)
        return int((await obstore.head_async(self._store, key))["size"])

    async def stream(
        self, key: str, offset: int, length: int, chunk_bytes: int
    ) -> AsyncIterator[bytes]:
        """`length` bytes from `offset`, in pieces of at most `chunk_bytes`.

        Raises:
            FileNotFoundError: there is none.
        """
        _check(key)
        end = offset + length
        while offset < end:
            size = min(chunk_bytes, end - offset)
            piece = await obstore.get_range_async(self._store, key, start=offset, length=size)
            yield bytes(piece)
            offset += size


def _check(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidRequest(field="blob_key", value=repr(key), allowed="ab/<sha-256>.<suffix>")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
