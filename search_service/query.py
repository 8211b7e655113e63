"""Answers a search: by text, by a picture, or by a picture that is in the index already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search_service.beside_search import BesideSearch
from search_service.collection import Collection
from search_service.collections import Collections
from search_service.composition import QueryVector, compose, images_in
from search_service.conditions import Condition, Exists
from search_service.encoder_binding import EncoderSpec
from search_service.facets import Facet, check_facets, count_facets
from search_service.filters import parse_filters
from search_service.folding import Found
from search_service.fusion import WordSearch
from search_service.late_search import DocumentEncoder, LateQuery, LateSearch
from search_service.metadata_keys import MetadataKind, check_kinds
from search_service.mode import NEEDED, WEIGHTS, word_search
from search_service.page_search import FusedSearch, Page, find_page
from search_service.paging import (
    Cursor,
    VectorMemory,
    check_encoder,
    decode,
    encoder_tag,
    question_of,
)
from search_service.relevance import CalibrationSource, Relevance, fitting, score_cut
from search_service.vector_index import IndexQuery, ScoredPoint, Vector
from search_service.wanted import ByPicture, ByText, Wanted, as_meant, check
from search_service.words import Bm25Words, QueryWords
from viewfinder.calibration import RelevanceCurve


class QueryEncoder(CalibrationSource, DocumentEncoder, Protocol):
    """Makes query vectors [dim], with the spec of the encoder that made them."""

    async def embed_text(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """By the encoder of this name; empty: the one of embedding_service's settings.

        Raises ServiceUnavailable when the encoder is away, InvalidRequest for a bad text.
        """

    async def embed_texts(self, texts: Sequence[str], encoder: str) -> tuple[Vector, EncoderSpec]:
        """Vectors [n, dim] of n texts, in one call."""

    async def embed_picture(
        self, pixels: NDArray[np.uint8], encoder: str
    ) -> tuple[Vector, EncoderSpec]:
        """`pixels` uint8 [height, width, 3], as the spec wants them."""

    async def spec(self) -> EncoderSpec:
        """The encoder's spec."""


@dataclass(frozen=True)
class Answer:
    """Hits, best first, and what they cost. `curve` makes probabilities of their cosines, `words`
    were looked for. `late_curve` makes probabilities of MaxSim per token. Unless `judged_by_look`,
    a hit has that one, or none where its words speak for it."""

    hits: list[Found]
    epoch: int
    spec: EncoderSpec | None
    embed_ms: float
    index_ms: float
    compose_ms: float = 0.0
    next_cursor: str = ""
    facets: tuple[Facet, ...] = ()
    curve: RelevanceCurve | None = None
    words: QueryWords | None = None
    judged_by_look: bool = True
    late_curve: RelevanceCurve | None = None


class Searcher:
    """Embeds the query with the encoder of the active collection, and asks that."""

    def __init__(
        self,
        collections: Collections,
        encoder: QueryEncoder,
        words: Bm25Words | None = None,
        indexed_metadata: Mapping[str, MetadataKind] | None = None,
    ) -> None:
        self._collections = collections
        self._encoder = encoder
        self._words = words or Bm25Words()
        self._indexed = indexed_metadata or {}
        self._vectors = VectorMemory()
        self._relevance = Relevance(encoder)
        self._late = LateSearch(collections, encoder)

    async def search(self, wanted: Wanted) -> Answer:
        """The `top_k` nearest; a `score_threshold` or `min_relevance` of 0 leaves nothing out.

        Raises:
            NotCalibrated: a `min_relevance`, and the encoder has no calibration.
            InvalidRequest, UnknownFilterKey: a value that is not allowed.
            ImageNotFound, ImageNotIndexed: the picture to compare with has no vector.
            ServiceUnavailable: the encoder is away. EncoderMismatch: it is not the index's.
        """
        check(wanted)
        check_facets(wanted.facets)
        wanted = as_meant(wanted)
        of_documents = wanted.mode == "document"
        judged_by_look = wanted.mode not in NEEDED
        conditions = parse_filters(wanted.filters)
        check_kinds(conditions, self._indexed)
        if wanted.mode in NEEDED:
            conditions = (*conditions, Exists(NEEDED[wanted.mode]))
        collection = self._collections.active  # the same all through, also when it is switched
        cursor = None
        if wanted.cursor:
            cursor = decode(wanted.cursor, question_of(wanted, conditions))
        by_words = self._word_search(wanted)
        started = time.perf_counter()
        epoch = collection.epoch  # of before the first look at the index
        word_hits = asyncio.create_task(
            self._word_hits_ahead(by_words, wanted, conditions, collection, cursor)
        )
        word_hits.add_done_callback(_heard)
        try:
            looked_for, late, vector_ms = await self._vectors_of(wanted, collection, cursor)
        except BaseException:
            word_hits.cancel()
            raise
        if cursor is not None:
            check_encoder(cursor, looked_for.spec)
        late_curve = None
        if late is not None and late.calibration is not None:
            late_curve = late.calibration.curve
        least = wanted.min_relevance
        curve = await self._relevance.curve(
            looked_for.spec, looked_for.vector, wanted.kind, is_needed=least > 0
        )
        query = IndexQuery(
            looked_for.vector,
            wanted.top_k,
            conditions,
            without=images_in(wanted),
            score_threshold=score_cut(curve, wanted.score_threshold, least),
            exact=wanted.exact,
        )

        async def search(asked: IndexQuery) -> list[ScoredPoint]:
            hits, _ = await collection.search(looked_for.spec, asked)
            return hits

        def judge(hits: Sequence[ScoredPoint]) -> list[ScoredPoint]:
            return fitting(hits, curve, least)

        async def find(asked: IndexQuery) -> list[ScoredPoint]:
            return judge(await search(asked))

        fused = None
        if by_words is not None or late is not None:
            weights = WEIGHTS[wanted.mode]
            beside = BesideSearch(
                by_words,
                late,
                weights,
                search,
                collection.retrieve,
                judge=judge if judged_by_look else None,
                word_hits=word_hits,
            )
            keep = None
            if least > 0 and not judged_by_look:
                keep = partial(_speaks, by_words, curve, late_curve, least, of_documents)
            fused = FusedSearch(
                beside.find,
                weights.look,
                pages_found=of_documents,
                keep=keep,
                at_once=not word_hits.done(),  # what nothing has is known in no time
            )
        page = await find_page(wanted, query, cursor, find, collection, fused, curve)
        facets: Sequence[Facet] = ()
        if wanted.facets:
            facets = await count_facets(wanted.facets, query, collection, find, self._indexed)
        return Answer(
            page.hits,
            epoch,
            looked_for.spec,
            embed_ms=vector_ms if isinstance(wanted.query, ByText | ByPicture) else 0.0,
            index_ms=_ms_since(started) - vector_ms,
            compose_ms=vector_ms if wanted.also else 0.0,
            next_cursor=self._next_cursor(page, wanted, conditions, looked_for),
            facets=tuple(facets),
            curve=curve,
            words=None if by_words is None else by_words.words,
            judged_by_look=judged_by_look,
            late_curve=late_curve,
        )

    def _word_search(self, wanted: Wanted) -> WordSearch | None:
        asked = wanted.query
        if not isinstance(asked, ByText) or wanted.sort != "relevance":
            return None
        if wanted.also and asked.mode == "auto":
            return None  # composed by example: what is seen counts
        return word_search(asked.text, asked.mode, self._words)

    async def _word_hits_ahead(
        self,
        by_words: WordSearch | None,
        wanted: Wanted,
        conditions: tuple[Condition, ...],
        collection: Collection,
        cursor: Cursor | None,
    ) -> list[ScoredPoint] | None:
        """What has the words, looked for while the text is embedded; None where that takes the
        text's vector, or is not asked for."""
        spec = collection.spec
        if by_words is None or spec is None or wanted.has_least or wanted.folds:
            return None
        if cursor is not None and not cursor.shown:
            return None

        async def search(asked: IndexQuery) -> list[ScoredPoint]:
            hits, _ = await collection.search(spec, asked)
            return hits

        query = IndexQuery(
            None,
            wanted.top_k,
            conditions,
            images_in(wanted),
            with_payload=False,
            exact=wanted.exact,
        )
        return await by_words.hits(query, search)

    async def _vectors_of(
        self, wanted: Wanted, collection: Collection, cursor: Cursor | None
    ) -> tuple[QueryVector, LateQuery | None, float]:
        """Of the look, of pages, and the milliseconds that they took."""
        started = time.perf_counter()
        look, late = await asyncio.gather(
            self._vector(wanted, collection, cursor), self._late_query(wanted)
        )
        return look, late, _ms_since(started)

    async def _late_query(self, wanted: Wanted) -> LateQuery | None:
        if not isinstance(wanted.query, ByText) or wanted.sort != "relevance":
            return None
        if wanted.mode not in WEIGHTS or not WEIGHTS[wanted.mode].late:
            return None
        return await self._late.query_of(wanted.query.text)

    async def _vector(
        self, wanted: Wanted, collection: Collection, cursor: Cursor | None
    ) -> QueryVector:
        if cursor is not None:
            known = self._vectors.find(cursor.question, collection.spec)
            if known is not None:
                return known
        if wanted.also or not isinstance(wanted.query, ByText):
            return await compose(wanted, self._encoder, collection)
        name = collection.spec.name if collection.spec is not None else ""
        return QueryVector(*await self._encoder.embed_text(wanted.query.text, name))

    def _next_cursor(
        self, page: Page, wanted: Wanted, conditions: tuple[Condition, ...], vector: QueryVector
    ) -> str:
        if page.last is None:
            return ""
        question = question_of(wanted, conditions)
        self._vectors.keep(question, vector)
        tag = encoder_tag(vector.spec)
        return Cursor(question, tag, page.seen, page.last, page.floor, page.shown).encode()


def _speaks(
    by_words: WordSearch | None,
    curve: RelevanceCurve | None,
    late_curve: RelevanceCurve | None,
    least: float,
    of_page: bool,
    hit: ScoredPoint,
) -> bool:
    """Whether anything speaks for what was found: its words, its rows, or where these have no
    curve its look."""
    if by_words is not None and by_words.words.fit(hit.matched, of_page):
        return True
    if late_curve is not None and hit.late is not None:
        return late_curve.of(hit.late) >= least
    return curve is not None and curve.of(hit.score) >= least


def _heard(task: asyncio.Task[object]) -> None:
    """What went wrong in it is told where it is awaited; where a search ends before, nowhere."""
    if not task.cancelled():
        task.exception()


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
