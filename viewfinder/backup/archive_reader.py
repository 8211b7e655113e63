"""Reading a backup: all of it is checked before anything of it is believed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.backup.layout import (
    BLOCK_BYTES,
    CATALOGUE,
    FORMAT,
    HEAD,
    MANIFEST,
    MAX_POINTS,
    MISSING,
    ORIGINAL_NAME,
    ORIGINALS,
    ORIGINALS_FOLDER,
    SUMS,
    BackupDamagedError,
    BackupNotReadableError,
    CollectionEntry,
    Manifest,
    collection_name,
    is_known,
    points_name,
    vectors_name,
)

_CHUNK_BYTES = 1 << 20
_LARGEST_WHOLE_BYTES = 256 << 20  # of what is read as a whole
_FILE_TYPES = {tarfile.REGTYPE, tarfile.AREGTYPE}


@dataclass(frozen=True)
class Entry:
    """Where a member's content lies."""

    name: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, eq=False)
class Part:
    """Points of a collection as plain data, and their vectors, float32 [n, dim].

    Of a multivector encoder a point has its `rows` of them, one below the other.
    """

    points: list[dict[str, Any]]
    vectors: NDArray[np.float32]


class ArchiveReader:
    """A backup that can be read at random. Nothing is checked but its head: call `verify` first.

    Raises:
        BackupDamagedError: it is no backup, or not readable.
        BackupNotReadableError: a newer version made it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise BackupDamagedError(f"{path} cannot be read: {error.strerror}") from error
        self._path = path
        try:
            self._entries = {HEAD: self._read_head()}
        except BaseException:
            self._file.close()
            raise
        self._manifest: Manifest | None = None

    def __enter__(self) -> ArchiveReader:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self._path.stat().st_size

    @property
    def manifest(self) -> Manifest:
        """How much there is. After `verify` or `read_index`."""
        if self._manifest is None:
            raise RuntimeError("verify it first")
        return self._manifest

    # --- checking ---

    def verify(self, on_progress: Callable[[int], None] = lambda _: None) -> Manifest:
        """Read all of it and compare it with its checksums. `on_progress` gets bytes.

        Raises:
            BackupDamagedError: a byte is missing or wrong, or a member that does not belong there.
        """
        digests: dict[str, str] = {}
        originals: _OriginalsCheck | None = None
        for entry in self._members():
            if SUMS in digests:
                raise self._damaged("something follows its checksums")
            digest = self._digest_of(entry, on_progress)
            if ORIGINAL_NAME.fullmatch(entry.name):
                if originals is None:
                    originals = _OriginalsCheck(self.originals())
                if not originals.takes(entry, digest):
                    raise self._damaged(f"{entry.name} is damaged, or not in its list")
            elif entry.name in digests:
                raise self._damaged(f"{entry.name} is in it twice")
            else:
                digests[entry.name] = digest
                self._entries[entry.name] = entry
        if SUMS not in digests:
            raise self._damaged("its end is missing")
        del digests[SUMS]
        if digests != self._sums():
            raise self._damaged("its content is not what its checksums say")
        manifest = self._read_manifest()
        for number, collection in enumerate(manifest.collections):
            self._check_collection(number, collection)
        taken = 0 if originals is None else originals.taken
        if taken != (manifest.originals - manifest.missing if manifest.has_originals else 0):
            raise self._damaged("not all of its originals are in it")
        self._manifest = manifest
        return manifest

    def read_index(self) -> Manifest:
        """Find everything in a backup that was verified before, without reading all of it again.

        Raises:
            BackupDamagedError: a header of a member is not what it must be.
        """
        for entry in self._members():
            if not ORIGINAL_NAME.fullmatch(entry.name):
                self._entries[entry.name] = entry
        self._manifest = self._read_manifest()
        return self._manifest

    # --- reading ---

    def originals(self) -> Iterator[dict[str, Any]]:
        """`blob_key`, `sha256` and `size_bytes` of every original of the catalogue."""
        yield from self._lines(ORIGINALS)

    def missing(self) -> Iterator[dict[str, Any]]:
        """`blob_key` and `reason` of those that could not be read when it was made."""
        if MISSING in self._entries:
            yield from self._lines(MISSING)

    def original_files(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Blob key and content of every original that is in it."""
        for entry in self._members():
            match = ORIGINAL_NAME.fullmatch(entry.name)
            if match is not None:
                yield match[1], self._content(entry)

    def catalogue(self) -> Iterator[bytes]:
        """The database."""
        return self._content(self._entry(CATALOGUE))

    def parts(self, number: int) -> Iterator[Part]:
        """The points of a collection by ascending id."""
        for part in range(self.manifest.collections[number].parts):
            yield Part(self._points(number, part), self._vectors(number, part))

    def points(self, number: int) -> Iterator[list[dict[str, Any]]]:
        """The same without their vectors."""
        for part in range(self.manifest.collections[number].parts):
            yield self._points(number, part)

    # --- how ---

    def _members(self) -> Iterator[Entry]:
        """Its members in order, from the headers of the tar. Only plain files of known names."""
        offset = 0
        size = self.size_bytes
        while True:
            header = self._read_at(offset, BLOCK_BYTES)
            if header == bytes(BLOCK_BYTES):
                if self._read_at(offset, size - offset) != bytes(2 * BLOCK_BYTES):
                    raise self._damaged("something follows its end")
                return
            entry = self._entry_of(header, offset)
            following = entry.offset + entry.size_bytes + -entry.size_bytes % BLOCK_BYTES
            if following + 2 * BLOCK_BYTES > size:
                raise self._damaged("its end is missing")
            yield entry
            offset = following

    def _entry_of(self, header: bytes, offset: int) -> Entry:
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeError) as error:
            raise self._damaged(f"no header of a member at byte {offset}") from error
        if info.type not in _FILE_TYPES or not (is_known(info.name) or info.name == SUMS):
            raise self._damaged(f"{info.name[:100]!r} does not belong into a backup")
        if not 0 <= info.size <= self.size_bytes:
            raise self._damaged("its end is missing")
        return Entry(info.name, offset + BLOCK_BYTES, info.size)

    def _read_head(self) -> Entry:
        try:
            entry = self._entry_of(self._read_at(0, BLOCK_BYTES), 0)
            if entry.name != HEAD:
                raise self._damaged("it begins with something else")
            self._entries = {HEAD: entry}
            content = json.loads(self._whole(HEAD))
            wanted = int(content["format"])
        except (BackupDamagedError, ValueError, KeyError, TypeError) as error:
            raise BackupDamagedError(f"{self._path} is no backup of Viewfinder") from error
        if wanted != FORMAT:
            raise BackupNotReadableError(
                f"{self._path} has format {wanted}, made by Viewfinder"
                f" {str(content.get('version'))[:50]}; this version reads format {FORMAT}:"
                " restore it with the version that made it, or a newer one"
            )
        self.head: dict[str, Any] = content
        return entry

    def _read_manifest(self) -> Manifest:
        try:
            content = json.loads(self._whole(MANIFEST))
            collections = [CollectionEntry(**one) for one in content.pop("collections")]
            return Manifest(**content, collections=collections)
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged("its manifest cannot be read") from error

    def _sums(self) -> dict[str, str]:
        lines = self._whole(SUMS).decode("utf-8", "replace").splitlines()
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def _check_collection(self, number: int, collection: CollectionEntry) -> None:
        if json.loads(self._whole(collection_name(number))).get("spec") != collection.spec:
            raise self._damaged(f"{collection_name(number)} is not what its manifest says")
        dim, points = int(collection.spec["dim"]), 0
        for part in range(collection.parts):
            found = self._points(number, part)
            count = len(found)
            rows = sum(int(point.get("rows", 1)) for point in found)
            if not 1 <= count <= MAX_POINTS or self._vectors(number, part).shape != (rows, dim):
                raise self._damaged(f"{vectors_name(number, part)} does not belong to its points")
            points += count
        if points != collection.points:
            raise self._damaged(f"it has {points} vectors of {collection.encoder}")

    def _points(self, number: int, part: int) -> list[dict[str, Any]]:
        return list(self._lines(points_name(number, part)))

    def _vectors(self, number: int, part: int) -> NDArray[np.float32]:
        name = vectors_name(number, part)
        try:
            vectors = np.load(io.BytesIO(self._whole(name)), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self._damaged(f"{name} cannot be read") from error
        if vectors.dtype != np.dtype("<f4") or vectors.ndim != 2:
            raise self._damaged(f"{name} holds {vectors.dtype} of {vectors.ndim} dimensions")
        return np.ascontiguousarray(vectors)

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        rest = b""
        for chunk in self._content(self._entry(name)):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield self._object(name, line)
        if rest:
            yield self._object(name, rest)

    def _object(self, name: str, line: bytes) -> dict[str, Any]:
        try:
            content = json.loads(line)
        except ValueError as error:
            raise self._damaged(f"{name} has a line that is no JSON") from error
        if not isinstance(content, dict):
            raise self._damaged(f"{name} has a line that is no object")
        return content

    def _entry(self, name: str) -> Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise self._damaged(f"{name} is missing")
        return entry

    def _whole(self, name: str) -> bytes:
        entry = self._entry(name)
        if entry.size_bytes > _LARGEST_WHOLE_BYTES:
            raise self._damaged(f"{name} has {entry.size_bytes} bytes")
        return b"".join(self._content(entry))

    def _digest_of(self, entry: Entry, on_progress: Callable[[int], None]) -> str:
        digest = hashlib.sha256()
        for chunk in self._content(entry):
            digest.update(chunk)
            on_progress(len(chunk))
        return digest.hexdigest()

    def _content(self, entry: Entry) -> Iterator[bytes]:
        for start in range(0, entry.size_bytes, _CHUNK_BYTES):
            size = min(_CHUNK_BYTES, entry.size_bytes - start)
            yield self._read_at(entry.offset + start, size)

    def _read_at(self, offset: int, size: int) -> bytes:
        """Several read at once, each elsewhere."""
        try:
            self._file.seek(offset)
            data = self._file.read(min(size, 2 * _CHUNK_BYTES))
        except OSError as error:
            raise self._damaged(f"it cannot be read: {error.strerror}") from error
        if len(data) != size:
            raise self._damaged("its end is missing")
        return data

    def _damaged(self, reason: str) -> BackupDamagedError:
        return BackupDamagedError(f"{self._path} is damaged: {reason}")


class _OriginalsCheck:
    """Originals come in the order of their list; those that were missing are passed over."""

    def __init__(self, listed: Iterator[dict[str, Any]]) -> None:
        self._listed = listed
        self.taken = 0

    def takes(self, entry: Entry, digest: str) -> bool:
        """Whether this is one that is listed, and whole."""
        for line in self._listed:
            if ORIGINALS_FOLDER + str(line.get("blob_key")) == entry.name:
                self.taken += 1
                return line.get("size_bytes") == entry.size_bytes and line.get("sha256") == digest
        return False
