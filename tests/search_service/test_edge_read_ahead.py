"""What hits are shown by is read ahead, and nothing else."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search_service import edge_read_ahead
from search_service.edge_read_ahead import read_ahead

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux maps pages ahead")

SIZE = 256 * mmap.PAGESIZE
PAYLOADS = "segments/one/payload_storage/page_0.dat"


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[Path]:
    """A file of payloads that this process has mapped and never touched."""
    file = tmp_path / PAYLOADS
    file.parent.mkdir(parents=True)
    file.write_bytes(os.urandom(SIZE))
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ):
        yield file


def resident_kb(file: Path) -> int:
    """Of the file, in the page tables of this process."""
    parts = Path("/proc/self/smaps").read_text().partition(str(file))
    return int(parts[2].partition("Rss:")[2].split()[0])


def test_payloads_are_mapped(tmp_path: Path, mapped: Path) -> None:
    assert resident_kb(mapped) == 0
    read_ahead(tmp_path)
    assert resident_kb(mapped) == SIZE >> 10


def test_a_file_of_holes_takes_no_memory(tmp_path: Path, mapped: Path) -> None:
    with mapped.open("r+b") as opened:
        opened.truncate(0)
        opened.truncate(SIZE)
    read_ahead(tmp_path)
    assert resident_kb(mapped) == 0


def test_what_would_take_most_of_the_memory_is_left_where_it_is(
    tmp_path: Path, mapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_read_ahead, "_MOST", 1e-9)
    read_ahead(tmp_path)
    assert resident_kb(mapped) == 0


def test_a_folder_that_is_not_there_is_nobodys_trouble(tmp_path: Path) -> None:
    read_ahead(tmp_path / "none")
