"""What stands in pictures, and on pages without a text layer: read when nothing else waits."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from viewfinder.errors import ViewfinderError
from viewfinder.v1 import common_pb2
from worker.decoding import Decoded, Decoder
from worker.judging import Judge
from worker.outcomes import STOPPING, ImageRecord, KeepGoing, WorkResult, give_back, read
from worker.payload import point_of
from worker.peers import Embedder, Index
from worker.text import plain_text

log = structlog.get_logger()


class TextReader:
    """Reads one after the other; while one is being read, the next is being decoded."""

    def __init__(self, decoder: Decoder, embedder: Embedder, index: Index) -> None:
        self._decoder = decoder
        self._embedder = embedder
        self._index = index
        self._judge = Judge()

    def read(self, records: Sequence[ImageRecord], keep_going: KeepGoing) -> list[WorkResult]:
        """One result for every record; whatever `keep_going` leaves no time for is given back."""
        results: list[WorkResult] = []
        following = self._decoder.for_reading(records[0]) if records else None
        for number, record in enumerate(records):
            if following is None or not keep_going():
                results += give_back((r.id for r in records[number:]), STOPPING)
                break
            decoded = following.result()
            has_more = number + 1 < len(records)
            following = self._decoder.for_reading(records[number + 1]) if has_more else None
            results.append(self._read_one(record, decoded))
        self._judge.settle(results)
        return results

    def _read_one(self, record: ImageRecord, decoded: Decoded | ViewfinderError) -> WorkResult:
        if isinstance(decoded, ViewfinderError):
            return self._judge.verdict(record, decoded)
        try:
            text = self._embedder.read(decoded.pixels)
            self._tell_index(record, text)
        except ViewfinderError as error:
            return self._judge.verdict(record, error)
        return read(record, text)

    def _tell_index(self, record: ImageRecord, text: common_pb2.ReadText) -> None:
        """Before it is reported: what counts as read is found by its words."""
        words = plain_text(text.words)
        if words != record.text:
            self._index.set_payload([point_of(record, words)])
