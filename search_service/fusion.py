"""Two lists made one: by what pictures show, and by the words that are known of them.

Reciprocal rank fusion (Cormack, Clarke, Buettcher: SIGIR 2009), with weights. How much a list of
words is worth depends on how much of the query its pictures have, which an engine's own fusion
cannot see: weighed like the other list, words that meet by chance cost more than half of the right
first answers (docs/evaluation.md). So it is done here, the same for all engines.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from search_service.vector_index import IndexQuery, ScoredPoint, Vector
from search_service.words import QueryWords

DEPTH = 100
"""So many of each list meet; what only looks right goes on below."""
RANK_CONSTANT = 10

Search = Callable[[IndexQuery], Awaitable[list[ScoredPoint]]]


@dataclass(frozen=True)
class WordWeights:
    """What a place in the list of words is worth, that in the other list being 1: of pictures that
    have some words of the query, and of those that have them all, if there are at most `few`."""

    some: float
    all: float
    few: int = DEPTH


@dataclass(frozen=True)
class WordSearch:
    """Words to look for beside what pictures show, and what they are worth."""

    words: QueryWords
    weights: WordWeights

    async def hits(self, query: IndexQuery, search: Search) -> list[ScoredPoint]:
        """The best by words alone, best first.

        Their scores are the cosines to the query's vector, which the threshold cuts, where there
        is one, or the query wants vectors; else NaN: a hundred vectors cost 3 ms.
        """
        least = query.score_threshold
        with_cosines = query.with_vectors or least is not None
        asked = replace(
            query,
            vector=None,
            words=self.words.vector,
            limit=DEPTH,
            score_threshold=None,
            with_vectors=with_cosines,
        )
        hits = [
            replace(
                hit,
                score=cosine(hit.vector, query.vector),
                vector=hit.vector if query.with_vectors else None,
            )
            for hit in await search(asked)
        ]
        return hits if least is None else [hit for hit in hits if hit.score >= least]

    def fuse(
        self, by_look: Sequence[ScoredPoint], by_words: Sequence[ScoredPoint]
    ) -> list[ScoredPoint]:
        """All of both, best first."""
        whole = {hit.id for hit in by_words if self.words.required <= set(hit.matched)}
        weights = self.weights
        of_whole = weights.all if len(whole) <= weights.few else weights.some
        values: dict[UUID, float] = {}
        hits: dict[UUID, ScoredPoint] = {}
        for rank, hit in enumerate(by_words):
            weight = of_whole if hit.id in whole else weights.some
            values[hit.id] = weight / (RANK_CONSTANT + rank)
            hits[hit.id] = hit
        for rank, hit in enumerate(by_look):
            # Below DEPTH a picture that has words too stands where they put it, however deep the
            # list is that was asked for.
            if rank < DEPTH or hit.id not in values:
                values[hit.id] = values.get(hit.id, 0.0) + 1 / (RANK_CONSTANT + rank)
            known = hits.get(hit.id)
            hits[hit.id] = hit if known is None else replace(hit, matched=known.matched)
        return sorted(hits.values(), key=lambda hit: (-values[hit.id], hit.id.int))


def cosine(vector: Vector | None, query: Vector | None) -> float:
    """Of a stored, so normalised, vector to the query's; NaN where one is not known."""
    if vector is None or query is None:
        return math.nan
    return float(vector @ query / np.linalg.norm(query))
