"""What is found by other than the look: by words, and by the rows of pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from search_service.fusion import ListWeights, Ranked, Search, WordSearch, cosine
from search_service.late_search import LateQuery
from search_service.vector_index import IndexQuery, IndexRecord, ScoredPoint

Judge = Callable[[Sequence[ScoredPoint]], list[ScoredPoint]]
Retrieve = Callable[[Sequence[UUID]], Awaitable[list[IndexRecord]]]


@dataclass(frozen=True)
class BesideSearch:
    """Asks both at the same time. `judge` leaves out what looks too unlike the query; None: what is
    found here is not judged by its look. `word_hits`: what `words` find, if that is under way."""

    words: WordSearch | None
    late: LateQuery | None
    weights: ListWeights
    search: Search
    retrieve: Retrieve
    judge: Judge | None
    word_hits: Awaitable[list[ScoredPoint] | None] | None = None

    async def find(self, asked: IndexQuery) -> list[Ranked]:
        """The lists, best first."""
        if self.judge is None:
            asked = replace(asked, score_threshold=None)
        return list(await asyncio.gather(self._by_words(asked), self._by_rows(asked)))

    async def _by_words(self, asked: IndexQuery) -> Ranked:
        if self.words is None:
            return Ranked((), ())
        hits = None if self.word_hits is None else await self.word_hits
        if hits is None:
            hits = await self.words.hits(asked, self.search)
        ranked = self.words.ranked(hits if self.judge is None else self.judge(hits))
        if asked.with_payload or not self.words.needs_payload:
            return ranked
        return replace(ranked, hits=[hit._replace(payload={}) for hit in ranked.hits])

    async def _by_rows(self, asked: IndexQuery) -> Ranked:
        if self.late is None:
            return Ranked((), ())
        hits = await self.late.hits(asked)
        least = asked.score_threshold
        if asked.with_payload or asked.with_vectors or least is not None:
            hits = await self._completed(hits, asked)
        if least is not None:
            hits = [hit for hit in hits if hit.score >= least]
        if self.judge is not None:
            hits = self.judge(hits)
        return Ranked(hits, [self.weights.late] * len(hits))

    async def _completed(self, hits: Sequence[ScoredPoint], asked: IndexQuery) -> list[ScoredPoint]:
        """With what the active collection knows of them; what that has not is left out."""
        records = {record.id: record for record in await self.retrieve([hit.id for hit in hits])}
        return [
            hit._replace(
                score=cosine(records[hit.id].vector, asked.vector),
                payload=records[hit.id].payload if asked.with_payload else {},
                vector=records[hit.id].vector if asked.with_vectors else None,
            )
            for hit in hits
            if hit.id in records
        ]
