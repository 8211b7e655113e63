"""The index epoch: a counter that every write bumps, also across restarts and kill -9."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from search_service.durable_file import write_atomically
from search_service.vector_index import IndexUnusable

_RESERVED = 1000


class Counter(Protocol):
    """A number that grows with every write."""

    @property
    def value(self) -> int:
        """The epoch now."""

    def bump(self) -> int:
        """The next epoch."""


class Epoch:
    """Grows and never repeats. The file holds a number that no epoch has reached yet, so that
    only one write in a thousand pays for the disk; a restart goes on from there.

    Raises:
        IndexUnusable: the file is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # every collection bumps from a thread of its own
        try:
            self._ceiling = int(path.read_bytes())
        except FileNotFoundError:
            self._ceiling = 0
        except (OSError, ValueError) as error:
            raise IndexUnusable(f"{path} cannot be read ({error})") from error
        self._value = self._ceiling

    @property
    def value(self) -> int:
        """The epoch now."""
        return self._value

    def bump(self) -> int:
        """The next epoch.

        Raises:
            StorageFull: the file cannot be written; the epoch stays as it was.
        """
        with self._lock:
            if self._value + 1 >= self._ceiling:
                ceiling = self._value + 1 + _RESERVED
                write_atomically(self._path, str(ceiling).encode())
                self._ceiling = ceiling
            self._value += 1
            return self._value


class ClockEpoch:
    """The epoch of a process that keeps no files: microseconds of the clock, never twice the same.

    Grows across restarts as long as the clock does.
    """

    def __init__(self) -> None:
        self._value = _microseconds()

    @property
    def value(self) -> int:
        """The epoch now."""
        return self._value

    def bump(self) -> int:
        """The next epoch."""
        self._value = max(self._value + 1, _microseconds())
        return self._value


def _microseconds() -> int:
    return time.time_ns() // 1000
