"""Writing a backup, front to back, with no more than one member's chunk in memory."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from viewfinder.backup.layout import (
    BLOCK_BYTES,
    MANIFEST,
    ORIGINALS_FOLDER,
    SUMS,
    Manifest,
)

_CHUNK_BYTES = 1 << 20
_MODE = 0o600


class OriginalUnreadableError(Exception):
    """An original is not what the catalogue says; the text says why."""


class Member:
    """A member that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    @property
    def sha256(self) -> str:
        """Of what was written."""
        return self._digest.hexdigest()


class ArchiveWriter:
    """`file` is empty and can be read and written anywhere. `modified` (seconds since 1970) is what
    members say of their age."""

    def __init__(self, file: BinaryIO, modified: float) -> None:
        self._file = file
        self._modified = int(modified)
        self._sums: list[str] = []

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        """A member whose size is known only when it is written."""
        start = self._file.tell()
        self._file.write(self._header(name, 0))
        member = Member(self._file)
        yield member
        self._close(start, name, member)
        self._sums.append(f"{member.sha256}  {name}\n")

    def add(self, name: str, content: bytes) -> None:
        """A small member."""
        with self.member(name) as member:
            member.write(content)

    def add_json(self, name: str, content: Any) -> None:
        """A small member of JSON."""
        self.add(name, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")

    def add_original(self, source: Path, blob_key: str, sha256: str, size_bytes: int) -> None:
        """A file that must be what the catalogue says; else nothing is added.

        Raises:
            OriginalUnreadableError: it is not there, or not that.
        """
        start = self._file.tell()
        try:
            with source.open("rb") as original:
                self._file.write(self._header(ORIGINALS_FOLDER + blob_key, size_bytes))
                member = Member(self._file)
                while chunk := original.read(_CHUNK_BYTES):
                    member.write(chunk)
                    if member.size_bytes > size_bytes:
                        break
        except FileNotFoundError:
            raise OriginalUnreadableError("missing") from None
        except OSError as error:
            if error.filename is None:  # of the backup, not of the original
                raise
            raise OriginalUnreadableError(error.strerror or str(error)) from error
        if member.size_bytes != size_bytes or member.sha256 != sha256:
            self._file.seek(start)
            self._file.truncate()
            raise OriginalUnreadableError("damaged: its content is not what was uploaded")
        self._pad()

    def finish(self, manifest: Manifest) -> None:
        """The end of the archive."""
        self.add_json(MANIFEST, asdict(manifest))
        sums = "".join(self._sums).encode()
        self._file.write(self._header(SUMS, len(sums)) + sums)
        self._pad()
        self._file.write(bytes(2 * BLOCK_BYTES))

    def _close(self, start: int, name: str, member: Member) -> None:
        self._pad()
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(self._header(name, member.size_bytes))
        self._file.seek(end)

    def _pad(self) -> None:
        self._file.write(bytes(-self._file.tell() % BLOCK_BYTES))

    def _header(self, name: str, size_bytes: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size_bytes, self._modified, _MODE
        return info.tobuf(tarfile.GNU_FORMAT)
