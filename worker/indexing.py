"""Originals into points: pixels, vectors, one upsert. A bad picture fails alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from viewfinder.errors import EncoderMismatch, InvalidRequest, ViewfinderError
from viewfinder.pictures import ReadWord
from viewfinder.v1 import common_pb2
from worker.decoding import Decoded, Decoder
from worker.judging import Judge
from worker.outcomes import (
    STOPPING,
    ImageRecord,
    KeepGoing,
    WorkResult,
    give_back,
    indexed,
    is_puzzling,
)
from worker.payload import point_of
from worker.peers import Embedder, Encoder, Index, key_of
from worker.text import plain_text

log = structlog.get_logger()

_CANDIDATES = 2  # that are remembered: the next encoder of the index, and the one for pages
_CALL_BYTES = 12 << 20  # of pixels in one call; gRPC takes a little more


@dataclass(frozen=True)
class _Embedded:
    """One picture that waits for its upsert."""

    record: ImageRecord
    vector: NDArray[np.float32]  # [dim], or [rows, dim]
    words: Sequence[ReadWord]

    @property
    def text(self) -> common_pb2.ReadText | None:
        """Its text layer; None where it has none."""
        if not self.words:
            return None
        words = [common_pb2.Word(**asdict(word)) for word in self.words]
        return common_pb2.ReadText(source="pdf", words=words, reader="pdfium")


@dataclass
class _Yield:
    """What has come of a batch so far."""

    results: list[WorkResult] = field(default_factory=list)
    embedded: list[_Embedded] = field(default_factory=list)


class Indexer:
    """Puts pictures into the index, a batch at a time.

    While one chunk of a batch is being embedded, the next is being decoded.
    """

    def __init__(
        self,
        decoder: Decoder,
        embedder: Embedder,
        index: Index,
        chunk_size: int = 8,
        candidate: common_pb2.EncoderSpec | None = None,
    ) -> None:
        """`candidate`: embed with this encoder, into its own collection, instead of the index's."""
        self._decoder = decoder
        self._embedder = embedder
        self._index = index
        self._chunk_size = chunk_size
        self._candidate = candidate
        self._beside: OrderedDict[str, Indexer] = OrderedDict()
        self._encoder: Encoder | None = None
        self._judge = Judge()

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
        key = key_of(candidate)
        if key not in self._beside:
            self._beside[key] = Indexer(
                self._decoder, self._embedder, self._index, self._chunk_size, candidate
            )
            if len(self._beside) > _CANDIDATES:
                self._beside.popitem(last=False)
        self._beside.move_to_end(key)
        return self._beside[key]

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
        size = self._chunk_size_of(encoder)
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
        if done.embedded:
            done.results += self._upsert(done.embedded, encoder)
        decided = {result.id for result in done.results}
        done.results += give_back((r.id for r in records if r.id not in decided), reason)
        self._judge.settle(done.results)
        return done.results

    def _chunk_size_of(self, encoder: Encoder) -> int:
        spec = encoder.pixels
        largest_bytes = 3 * max(spec.max_pixels, spec.size**2, 1)
        return max(1, min(self._chunk_size, encoder.max_batch, _CALL_BYTES // largest_bytes))

    def _decode_ahead(
        self, chunk: Sequence[ImageRecord], encoder: Encoder
    ) -> list[Future[Decoded | ViewfinderError]]:
        is_first = self._candidate is None  # the words are in the index once, beside its encoder
        return [
            self._decoder.prepare(record, encoder.pixels, is_first and not record.text_source)
            for record in chunk
        ]

    def _embed_chunk(
        self,
        chunk: Sequence[ImageRecord],
        prepared: Sequence[Decoded | ViewfinderError],
        encoder: Encoder,
        done: _Yield,
    ) -> None:
        good: list[tuple[ImageRecord, Decoded]] = []
        for record, decoded in zip(chunk, prepared, strict=True):
            if isinstance(decoded, ViewfinderError):
                done.results.append(self._judge.verdict(record, decoded))
            else:
                good.append((record, decoded))
        if not good:
            return
        try:
            done.embedded += self._embed(good, encoder)
        except ViewfinderError as error:
            if isinstance(error, InvalidRequest):
                self._raise_if_replaced(encoder)
            if not is_puzzling(error):
                raise
            self._embed_alone(good, encoder, done)

    def _embed(
        self, pictures: Sequence[tuple[ImageRecord, Decoded]], encoder: Encoder
    ) -> list[_Embedded]:
        vectors = self._embedder.embed([decoded.pixels for _, decoded in pictures], encoder)
        return [
            _Embedded(record, vector, decoded.words)
            for (record, decoded), vector in zip(pictures, vectors, strict=True)
        ]

    def _embed_alone(
        self, pictures: Sequence[tuple[ImageRecord, Decoded]], encoder: Encoder, done: _Yield
    ) -> None:
        """One picture a call, to find the one that spoils the chunk."""
        for record, decoded in pictures:
            try:
                done.embedded += self._embed([(record, decoded)], encoder)
            except EncoderMismatch:
                raise
            except ViewfinderError as error:
                done.results.append(self._judge.verdict(record, error))

    def _upsert(self, embedded: Sequence[_Embedded], encoder: Encoder) -> list[WorkResult]:
        texts = [one.text for one in embedded]
        points = [
            point_of(one.record, None if text is None else plain_text(text.words))
            for one, text in zip(embedded, texts, strict=True)
        ]
        vectors = [one.vector for one in embedded]
        try:
            self._index.upsert(encoder, points, vectors, self._candidate is not None)
        except ViewfinderError as error:
            if isinstance(error, EncoderMismatch):
                log.warning("the index holds vectors of another encoder", reason=error.message)
                self._encoder = None
            if not is_puzzling(error):
                return give_back((one.record.id for one in embedded), error.message)
            if len(embedded) == 1:
                return [self._judge.verdict(embedded[0].record, error)]
            return [result for one in embedded for result in self._upsert([one], encoder)]
        key = key_of(encoder.spec)
        return [indexed(one.record, key, text) for one, text in zip(embedded, texts, strict=True)]

    def _raise_if_replaced(self, encoder: Encoder) -> None:
        now = self._ask_for_encoder()
        if now.spec.revision != encoder.spec.revision:
            raise EncoderMismatch(
                index_encoder=encoder.spec.revision, offered_encoder=now.spec.revision
            )
