"""What every hit is shown by lies in mapped files, a page here and a page there. Of a million that
nobody has touched yet, the payloads of eleven take 2 ms from the disk, and the words of a hundred
3 ms even from the system's cache; once they are in this process's page tables, 0.2 ms.

All of it stays the system's to take back when memory is short.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import psutil

_SHOWN_FROM = ("payload_storage", "vector_storage-words/store")
_MADV_POPULATE_READ = 22  # Linux 5.14; older ones refuse it, and all goes on as before
_MOST = 0.5  # of the memory that is free


def read_ahead(folder: Path) -> None:
    """Of the shard that this process has open. Where a system cannot, nothing is done."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    with suppress(OSError):
        files = [
            file
            for place in _SHOWN_FROM
            for file in folder.resolve().glob(f"segments/*/{place}/*.dat")
            if _is_filled(file)
        ]
        if sum(file.stat().st_size for file in files) > _MOST * psutil.virtual_memory().available:
            return
        for file in files:
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        _map({str(file) for file in files})


def _is_filled(file: Path) -> bool:
    """The engine makes files of 32 MB and fills them by and by; holes would take memory, too."""
    status = file.stat()
    return status.st_blocks * 512 >= status.st_size / 2


def _map(files: set[str]) -> None:
    """Have their pages in the page tables of this process."""
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, path = line.partition(" ")[0], line[line.find("/") :]
        if path in files:
            start, end = (int(address, 16) for address in addresses.split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_POPULATE_READ)
