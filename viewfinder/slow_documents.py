"""Remembers which PDFs have slow pages, so that not each of a thousand takes all of its time."""

from __future__ import annotations

import os
import threading

from cachetools import TTLCache

_MOST_SLOW_PAGES = 3
_REMEMBERED = 1000
_REMEMBERED_S = 600.0


class SlowDocuments:
    """Counts pages that took too long, for each file. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slow_pages: TTLCache[tuple[int, ...], int] = TTLCache(_REMEMBERED, _REMEMBERED_S)

    def add(self, descriptor: int) -> None:
        """A page of this open file took too long."""
        key = _key(descriptor)
        with self._lock:
            self._slow_pages[key] = self._slow_pages.get(key, 0) + 1

    def is_hopeless(self, descriptor: int) -> bool:
        """Whether so many pages took too long that no other is to be tried for a while."""
        with self._lock:
            return self._slow_pages.get(_key(descriptor), 0) >= _MOST_SLOW_PAGES


def _key(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
