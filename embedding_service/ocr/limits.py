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
    timeout_s: float = 60.0  # CPU seconds for a picture; six times as long by the clock
    memory_bytes: int = 3 << 30  # address space of the reading process

    @property
    def reading_s(self) -> float:
        """CPU seconds after which the lines that are left are not read."""
        return self.timeout_s * 2 / 3
