"""Renditions on disk: content-addressed files, the longest unused removed when there are too many.

Everything here may be lost at any time; a missing file is only made again. Blocking calls.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from viewfinder.pictures import RENDITION_VERSION, RenditionFormat

log = structlog.get_logger()

_KEEP_AFTER_EVICTION = 0.9  # evicting more at once makes it seldom


@dataclass(frozen=True)
class RenditionKey:
    """One rendition: the id of the original's bytes, and all that changes the result."""

    image_id: UUID
    width: int
    format: RenditionFormat
    marks: str = ""  # digest of what is drawn on it

    @property
    def file_name(self) -> str:
        """Starts with the image's id, so that all renditions of an image are found by it."""
        marks = f"-m{self.marks}" if self.marks else ""
        return f"{self.image_id}-w{self.width}-v{RENDITION_VERSION}{marks}.{self.format}"

    @property
    def etag(self) -> str:
        """Strong: other bytes have another one."""
        return hashlib.sha256(self.file_name.encode()).hexdigest()[:32]

    @property
    def media_type(self) -> str:
        """`image/webp` or `image/jpeg`."""
        return f"image/{self.format}"


class RenditionCache:
    """Files in `folder`, at most `max_bytes` of them. Safe to use from many threads."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[Path, int] = OrderedDict()  # the longest unused first
        self._total_bytes = 0
        self._is_full_known = False

    def load(self) -> None:
        """Take over what an earlier process left, and remove what it did not finish."""
        found: list[tuple[float, Path, int]] = []
        for path in self._folder.glob("??/*"):
            with suppress(OSError):
                if path.suffix == ".tmp":
                    path.unlink()
                    continue
                status = path.stat()
                found.append((status.st_mtime, path, status.st_size))
        with self._lock:
            for _, path, size in sorted(found):
                self._record(path, size)
        self._evict()

    def get(self, key: RenditionKey) -> bytes | None:
        """The rendition's bytes, or None when it is to be made."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cached rendition unreadable", path=str(path), reason=str(error))
            return None
        if not data:  # a power cut can leave an empty file
            return None
        with suppress(OSError):
            os.utime(path)  # recency survives a restart
        with self._lock:
            self._record(path, len(data))
        return data

    def put(self, key: RenditionKey, data: bytes) -> bool:
        """Keep it if possible; False when it cannot be written: then it is made again next time."""
        if len(data) > self._max_bytes:
            return False
        path = self._path(key)
        try:
            _write_whole(path, data)
        except OSError as error:
            if not self._is_full_known:  # once, not for every picture of a gallery
                log.warning("rendition not cached", where=str(path.parent), reason=str(error))
            self._is_full_known = True
            return False
        self._is_full_known = False
        with self._lock:
            self._record(path, len(data))
        self._evict()
        return True

    def drop(self, image_id: UUID) -> None:
        """Remove all renditions of this image."""
        for path in self._shelf(image_id).glob(f"{image_id}-*"):
            path.unlink(missing_ok=True)
            with self._lock:
                self._forget(path)

    @property
    def total_bytes(self) -> int:
        """How much is kept."""
        return self._total_bytes

    def _shelf(self, image_id: UUID) -> Path:
        return self._folder / image_id.hex[:2]

    def _path(self, key: RenditionKey) -> Path:
        return self._shelf(key.image_id) / key.file_name

    def _record(self, path: Path, size: int) -> None:
        self._total_bytes += size - self._sizes.pop(path, 0)
        self._sizes[path] = size

    def _forget(self, path: Path) -> None:
        self._total_bytes -= self._sizes.pop(path, 0)

    def _evict(self) -> None:
        with self._lock:
            if self._total_bytes <= self._max_bytes:
                return
            unused = []
            while self._sizes and self._total_bytes > self._max_bytes * _KEEP_AFTER_EVICTION:
                path, size = self._sizes.popitem(last=False)
                self._total_bytes -= size
                unused.append(path)
        for path in unused:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _write_whole(path: Path, data: bytes) -> None:
    """Readers see all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
