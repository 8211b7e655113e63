"""The pages that a document encoder finds, beside what the active encoder and the words find.

A document encoder is another model: where there is none, or it is away, searches go on without.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from search_service.collection import Collection
from search_service.collections import Collections
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexQuery, ScoredPoint, Vector
from viewfinder.errors import ViewfinderError
from viewfinder.late_calibration import LateCalibration

LATE_DEPTH = 50
"""So many of the best pages meet the other lists."""
_LET_ALONE_S = 5.0

log = structlog.get_logger()


class DocumentEncoder(Protocol):
    """Makes a matrix of a text, for comparing with pages."""

    async def document_spec(self) -> EncoderSpec | None:
        """The one that is configured; None: there is none. Cached for some seconds."""

    def late_calibration(self, spec: EncoderSpec) -> LateCalibration | None:
        """What makes probabilities of its MaxSim; None where it has none."""

    async def embed_tokens(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """The query's rows [tokens, dim], by the encoder of this name."""


@dataclass(frozen=True, eq=False)
class LateQuery:
    """A text as `tokens` [n, dim], and the collection it is to be compared in."""

    collection: Collection
    spec: EncoderSpec
    tokens: Vector
    failed: Callable[[str], None]
    calibration: LateCalibration | None = None

    async def hits(self, query: IndexQuery) -> list[ScoredPoint]:
        """The best pages that meet the query's conditions, best first: their ids, and `late`.

        None where their collection is away, fails, or was dropped and closed a moment ago.
        """
        asked = replace(
            query,
            vector=self.tokens,
            words=None,
            limit=LATE_DEPTH,
            score_threshold=None,
            with_payload=False,
            with_vectors=False,
        )
        try:
            found, _ = await self.collection.search(self.spec, asked)
        except (ViewfinderError, RuntimeError) as error:  # IndexFault is one; so is "closed"
            self.failed(str(error))
            return []
        return [
            ScoredPoint(hit.id, math.nan, {}, late=hit.score / len(self.tokens)) for hit in found
        ]


class LateSearch:
    """Makes a LateQuery of a text."""

    def __init__(self, collections: Collections, encoder: DocumentEncoder) -> None:
        self._collections = collections
        self._encoder = encoder
        self._let_alone_until = 0.0
        self._was_away = False

    async def query_of(self, text: str) -> LateQuery | None:
        """None where no document encoder is configured, it has seen no page, or it is away."""
        if time.monotonic() < self._let_alone_until:
            return None
        try:
            query = await self._query_of(text)
        except ViewfinderError as error:
            self._failed(error.message)
            return None
        if self._was_away:
            self._was_away = False
            await self._collections.tell_caches()  # of the answers without it
        return query

    def _failed(self, reason: str) -> None:
        self._let_alone_until = time.monotonic() + _LET_ALONE_S
        self._was_away = True
        log.warning("searched without the rows of pages", reason=reason)

    async def _query_of(self, text: str) -> LateQuery | None:
        spec = await self._encoder.document_spec()
        collection = None if spec is None else await self._collections.of_encoder(spec)
        if spec is None or collection is None:
            return None
        tokens, answered = await self._encoder.embed_tokens(text, spec.name)
        if answered != spec:  # another one was configured a moment ago
            return None
        calibration = self._encoder.late_calibration(spec)
        return LateQuery(collection, spec, tokens, self._failed, calibration)
