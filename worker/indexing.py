"""Originals into points: pixels, vectors, one upsert. A bad picture fails alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from viewfinder.errors import (
    BrokenImage,
    EncoderMismatch,
    InvalidRequest,
    ServiceUnavailable,
    ViewfinderError,
)
from viewfinder.pixels import PixelSpec, Source
from viewfinder.v1 import common_pb2
from worker.outcomes import (
    STOPPING,
    ImageRecord,
    WorkResult,
    failed,
    give_back,
    indexed,
    is_puzzling,
    is_to_blame,
)
from worker.payload import point_of
from worker.peers import Embedder, Encoder, Index, key_of

log = structlog.get_logger()

_PUZZLING_TRIES = 3  # of an error nobody foresaw, before it counts as the picture's own

KeepGoing = Callable[[], bool]
Prepared = NDArray[np.uint8] | ViewfinderError


class Originals(Protocol):
    """The blob store, for reading."""

    def source(self, record: ImageRecord) -> Source:
        """The original, as a file where there is one.

        Raises:
            ViewfinderError, OSError: it cannot be read.
        """


class Pixels(Protocol):
    """The guarded decoder; see viewfinder/pixels.py. Called from several threads."""

    def prepare(self, source: Source, spec: PixelSpec, file_name: str = "") -> NDArray[np.uint8]:
        """uint8 [size, size, 3].

        Raises:
            ViewfinderError: the picture is not one.
            OSError: the path cannot be read.
        """


@dataclass
class _Yield:
    """What has come of a batch so far."""

    results: list[WorkResult] = field(default_factory=list)
    records: list[ImageRecord] = field(default_factory=list)  # row i has vectors[i]
    vectors: list[NDArray[np.float32]] = field(default_factory=list)


class Indexer:
    """Puts pictures into the index, a batch at a time.

    While one chunk of a batch is being embedded, the next is being decoded.
    """

    def __init__(
        self,
        originals: Originals,
        pixels: Pixels,
        embedder: Embedder,
        index: Index,
        chunk_size: int = 8,
        decoders: int = 1,
        candidate: common_pb2.EncoderSpec | None = None,
    ) -> None:
        """`candidate`: embed with this encoder, into its own collection, instead of the index's."""
        self._originals = originals
        self._pixels = pixels
        self._embedder = embedder
        self._index = index
        self._chunk_size = chunk_size
        self._decoders = decoders
        self._candidate = candidate
        self._beside: Indexer | None = None
        self._encoder: Encoder | None = None
        self._puzzles: Counter[str] = Counter()
        self._decoding = ThreadPoolExecutor(decoders, thread_name_prefix="decoding")

    def index(self, records: Sequence[ImageRecord], keep_going: KeepGoing) -> list[WorkResult]:
        """One result for every record; whatever `keep_going` leaves no time for is given back."""
        if not records:
            return []
        try:
            try:
                return self._index_with(self._current_encoder(), records, keep_going)
            except EncoderMismatch as error:
                log.info("another encoder answers, beginning again", reason=error.message)
                self._encoder = None
                return self._index_with(self._current_encoder(), records, keep_going)
        except ViewfinderError as error:
            return give_back((record.id for record in records), error.message)

    def beside(self, candidate: common_pb2.EncoderSpec) -> Indexer:
        """The same for another encoder, into its own collection."""
        if self._beside is None or self._beside._candidate != candidate:
            if self._beside is not None:
                self._beside.close()
            self._beside = Indexer(
                self._originals,
                self._pixels,
                self._embedder,
                self._index,
                self._chunk_size,
                self._decoders,
                candidate,
            )
        return self._beside

    def close(self) -> None:
        """Stop the decoding threads; the collaborators stay open."""
        if self._beside is not None:
            self._beside.close()
        self._decoding.shutdown(wait=False, cancel_futures=True)

    def _current_encoder(self) -> Encoder:
        if self._encoder is None:
            self._encoder = self._ask_for_encoder()
        return self._encoder

    def _ask_for_encoder(self) -> Encoder:
        wanted = self._candidate
        encoder = self._embedder.encoder(
            self._index.encoder_name() if wanted is None else wanted.name
        )
        if wanted is not None and encoder.spec.revision != wanted.revision:
            raise EncoderMismatch(
                index_encoder=key_of(wanted), offered_encoder=key_of(encoder.spec)
            )
        return encoder

    def _index_with(
        self, encoder: Encoder, records: Sequence[ImageRecord], keep_going: KeepGoing
    ) -> list[WorkResult]:
        size = min(self._chunk_size, encoder.max_batch)
        chunks = [records[start : start + size] for start in range(0, len(records), size)]
        done = _Yield()
        reason = STOPPING
        following = self._decode_ahead(chunks[0], encoder)
        for number, chunk in enumerate(chunks):
            prepared = [future.result() for future in following]
            has_time = keep_going()
            if has_time and number + 1 < len(chunks):
                following = self._decode_ahead(chunks[number + 1], encoder)
            try:
                self._embed_chunk(chunk, prepared, encoder, done)
            except EncoderMismatch:
                raise
            except ViewfinderError as error:
                # The peer is away: asking it again for each chunk only costs time.
                reason = error.message
                break
            if not has_time:
                break
        if done.records:
            done.results += self._upsert(done.records, np.concatenate(done.vectors), encoder)
        decided = {result.id for result in done.results}
        done.results += give_back((r.id for r in records if r.id not in decided), reason)
        self._forget_puzzles(done.results)
        return done.results

    def _decode_ahead(
        self, chunk: Sequence[ImageRecord], encoder: Encoder
    ) -> list[Future[Prepared]]:
        return [self._decoding.submit(self._decode, record, encoder.pixels) for record in chunk]

    def _decode(self, record: ImageRecord, spec: PixelSpec) -> Prepared:
        try:
            return self._pixels.prepare(self._originals.source(record), spec, record.file_name)
        except ViewfinderError as error:
            return error
        except FileNotFoundError:
            return BrokenImage(
                file_name=record.file_name, reason="its original is not in the store"
            )
        except OSError as error:
            return ServiceUnavailable(service="the store of originals", reason=str(error))

    def _embed_chunk(
        self,
        chunk: Sequence[ImageRecord],
        prepared: Sequence[Prepared],
        encoder: Encoder,
        done: _Yield,
    ) -> None:
        good: list[ImageRecord] = []
        arrays: list[NDArray[np.uint8]] = []
        for record, pixels in zip(chunk, prepared, strict=True):
            if isinstance(pixels, ViewfinderError):
                done.results.append(self._judge(record, pixels))
            else:
                good.append(record)
                arrays.append(pixels)
        if not good:
            return
        stack = np.stack(arrays)
        try:
            vectors = self._embedder.embed(stack, encoder)
        except ViewfinderError as error:
            if isinstance(error, InvalidRequest):
                self._raise_if_replaced(encoder)
            if not is_puzzling(error):
                raise
            self._embed_alone(good, stack, encoder, done)
            return
        done.records += good
        done.vectors.append(vectors)

    def _embed_alone(
        self,
        records: Sequence[ImageRecord],
        stack: NDArray[np.uint8],
        encoder: Encoder,
        done: _Yield,
    ) -> None:
        """One picture a call, to find the one that spoils the chunk."""
        for row, record in enumerate(records):
            try:
                vectors = self._embedder.embed(stack[row : row + 1], encoder)
            except EncoderMismatch:
                raise
            except ViewfinderError as error:
                done.results.append(self._judge(record, error))
            else:
                done.records.append(record)
                done.vectors.append(vectors)

    def _upsert(
        self,
        records: Sequence[ImageRecord],
        vectors: NDArray[np.float32],
        encoder: Encoder,
    ) -> list[WorkResult]:
        points = [point_of(record) for record in records]
        try:
            self._index.upsert(encoder, points, vectors, self._candidate is not None)
        except ViewfinderError as error:
            if isinstance(error, EncoderMismatch):
                log.warning("the index holds vectors of another encoder", reason=error.message)
                self._encoder = None
            if not is_puzzling(error):
                return give_back((record.id for record in records), error.message)
            if len(records) == 1:
                return [self._judge(records[0], error)]
            return [
                result
                for row, record in enumerate(records)
                for result in self._upsert([record], vectors[row : row + 1], encoder)
            ]
        return [indexed(record, key_of(encoder.spec)) for record in records]

    def _raise_if_replaced(self, encoder: Encoder) -> None:
        now = self._ask_for_encoder()
        if now.spec.revision != encoder.spec.revision:
            raise EncoderMismatch(
                index_encoder=encoder.spec.revision, offered_encoder=now.spec.revision
            )

    def _forget_puzzles(self, results: Sequence[WorkResult]) -> None:
        for result in results:
            if result.outcome != WorkResult.OUTCOME_RETRY:
                self._puzzles.pop(result.id, None)

    def _judge(self, record: ImageRecord, error: ViewfinderError) -> WorkResult:
        if is_to_blame(error):
            return failed(record, error.message)
        if is_puzzling(error):
            self._puzzles[record.id] += 1
            log.warning("a picture met an unforeseen error", image_id=record.id, code=error.code)
            if self._puzzles[record.id] >= _PUZZLING_TRIES:
                return failed(record, error.message)
        return give_back([record.id], error.message)[0]
