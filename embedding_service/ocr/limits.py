"""What reading one picture may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReaderLimits:
    """Sizes are chosen by what was measured; see docs/documents.md."""

    threads: int = 1
    look_side: int = 640  # pixels of the longer side at the first look: is there any text?
    find_side: int = 1280  # the same for finding the lines, which are then read as they came
    max_lines: int = 600
    min_confidence: float = 0.5  # of a line, and of a word of it
    reading_s: float = 10.0  # after which others get their turn; asked again, it goes on
    timeout_s: float = 60.0  # after which the process is killed, so that the next one gets its turn
    memory_bytes: int = 3 << 30  # address space of the reading process
