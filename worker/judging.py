"""Whose fault an error is: the picture's, or that of somebody who is away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import structlog

from viewfinder.errors import ViewfinderError
from worker.outcomes import (
    ImageRecord,
    WorkResult,
    failed,
    give_back,
    is_puzzling,
    is_to_blame,
)

log = structlog.get_logger()

_PUZZLING_TRIES = 3  # of an error nobody foresaw, before it counts as the picture's own


class Judge:
    """Remembers which pictures met errors that nobody foresaw."""

    def __init__(self) -> None:
        self._puzzles: Counter[str] = Counter()

    def verdict(self, record: ImageRecord, error: ViewfinderError) -> WorkResult:
        """Failed for good, or to be tried again."""
        if is_to_blame(error):
            return failed(record, error.message)
        if is_puzzling(error):
            self._puzzles[record.id] += 1
            log.warning("a picture met an unforeseen error", image_id=record.id, code=error.code)
            if self._puzzles[record.id] >= _PUZZLING_TRIES:
                return failed(record, error.message)
        return give_back([record.id], error.message)[0]

    def settle(self, results: Sequence[WorkResult]) -> None:
        """These are decided; those given back are not."""
        for result in results:
            if result.outcome != WorkResult.OUTCOME_RETRY:
                self._puzzles.pop(result.id, None)
