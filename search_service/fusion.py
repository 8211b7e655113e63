"""Several lists made one: by what pictures show, by the words that are known of them, by pages.

Reciprocal rank fusion (Cormack, Clarke, Buettcher: SIGIR 2009), with weights. How much a list of
words is worth depends on how much of the query its pictures have, which an engine's own fusion
cannot see: weighed like the other list, words that meet by chance cost more than half of the right
first answers (docs/evaluation.md). So it is done here, the same for all engines.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from search_service.vector_index import IndexQuery, ScoredPoint, Vector
from search_service.words import QueryWords

DEPTH = 100
"""So many of each list meet, or fewer by words; what only looks right goes on below."""
RANK_CONSTANT = 10
_NEARLY_ALL = 1.5

Search = Callable[[IndexQuery], Awaitable[list[ScoredPoint]]]


@dataclass(frozen=True)
class ListWeights:
    """What a place in a list is worth: in that of words, of pictures that have some words of the
    query, and of those that have them all, if there are at most `few`; in that of pages by their
    rows (`late`); and in that of what looks right.

    `grows_from`: from so many words on, the larger their share of the query the more, by this power
    of the share; 0: never. `by_share`: a page of a document has so many words that their share
    counts: from half of the query's on, the weight rises from `some` to `all`. Words that nothing
    has are not asked for. `depth`: so many of the list of words count.
    """

    some: float
    all: float
    few: int = DEPTH
    late: float = 0.0
    look: float = 1.0
    by_share: bool = False
    grows_from: int = 0
    power: float = 1.0
    depth: int = DEPTH

    def of_some(self, has: int, asked: int) -> float:
        """Of a picture that has so many of the words asked for, but not all.

        One word meets by chance, three hardly do, and who asks for a page seldom knows each word
        on it (docs/evaluation.md).
        """
        if not 0 < self.grows_from <= has:
            return self.some
        share = has / asked
        grown = share**2 if has == 2 else _NEARLY_ALL * share**self.power
        return max(self.some, self.all * min(1.0, grown))

    def of_page(self, share: float) -> float:
        """Of a page that has this share of the words that anything has."""
        return self.some + (self.all - self.some) * max(0.0, 2 * share - 1)


@dataclass(frozen=True)
class Ranked:
    """Hits, best first, and the weight of each."""

    hits: Sequence[ScoredPoint]
    weights: Sequence[float]


@dataclass(frozen=True)
class WordSearch:
    """Words to look for beside what pictures show, and what they are worth."""

    words: QueryWords
    weights: ListWeights

    @property
    def needs_payload(self) -> bool:
        """To tell pages of documents from pictures."""
        return self.weights.by_share

    async def hits(self, query: IndexQuery, search: Search) -> list[ScoredPoint]:
        """The best by words alone, best first.

        Their scores are the cosines to the query's vector, which the threshold cuts, where there
        is one, or the query wants vectors; else NaN: a hundred vectors cost 3 ms.
        """
        least = query.score_threshold
        asked = replace(
            query,
            vector=None,
            words=self.words.vector,
            limit=self.weights.depth,
            score_threshold=None,
            with_payload=query.with_payload or self.needs_payload,
            with_vectors=query.with_vectors or least is not None,
        )
        hits = [
            ScoredPoint(
                hit.id,
                cosine(hit.vector, query.vector),
                hit.payload,
                hit.vector if query.with_vectors else None,
                hit.matched,
            )
            for hit in await search(asked)
        ]
        return hits if least is None else [hit for hit in hits if hit.score >= least]

    def ranked(self, by_words: Sequence[ScoredPoint]) -> Ranked:
        """What `hits` found, with their weights."""
        weights = self.weights
        asked = self.words.required
        counts = [len(asked.intersection(hit.matched)) for hit in by_words]
        of_whole = weights.all if counts.count(len(asked)) <= weights.few else weights.some
        known = asked & {term for hit in by_words for term in hit.matched} or asked

        def weight_of(hit: ScoredPoint, count: int) -> float:
            whole = count == len(asked)
            weight = of_whole if whole else weights.of_some(count, len(asked))
            if weights.by_share and hit.payload.get("document"):
                share = len(known.intersection(hit.matched)) / max(1, len(known))
                return weights.of_page(share) if whole else max(weight, weights.of_page(share))
            return weight

        return Ranked(by_words, list(map(weight_of, by_words, counts)))


def fuse(
    by_look: Sequence[ScoredPoint], beside: Sequence[Ranked], look: float = 1.0
) -> list[ScoredPoint]:
    """All of them, best first; `look` is the weight of the first list."""
    values: dict[int, float] = {}  # by the id's number: Python hashes UUIDs slowly
    hits: dict[int, ScoredPoint] = {}
    for one in beside:
        for rank, (hit, weight) in enumerate(zip(one.hits, one.weights, strict=True)):
            number = hit.id.int
            values[number] = values.get(number, 0.0) + weight / (RANK_CONSTANT + rank)
            hits[number] = _together(hits.get(number), hit)
    for rank, hit in enumerate(by_look):
        number = hit.id.int
        # Below DEPTH a picture that is in another list too stands where that puts it, however deep
        # the list is that was asked for.
        if rank < DEPTH or number not in values:
            values[number] = values.get(number, 0.0) + look / (RANK_CONSTANT + rank)
        hits[number] = _together(hits.get(number), hit)
    return [hits[number] for number in sorted(hits, key=lambda one: (-values[one], one))]


def _together(known: ScoredPoint | None, hit: ScoredPoint) -> ScoredPoint:
    """What two lists know of one picture."""
    if known is None:
        return hit
    return ScoredPoint(
        hit.id,
        known.score if math.isnan(hit.score) else hit.score,
        hit.payload or known.payload,
        known.vector if hit.vector is None else hit.vector,
        hit.matched or known.matched,
        known.late if hit.late is None else hit.late,
    )


def cosine(vector: Vector | None, query: Vector | None) -> float:
    """Of a stored, so normalised, vector to the query's; NaN where one is not known."""
    if vector is None or query is None:
        return math.nan
    return float(vector @ query / np.linalg.norm(query))
