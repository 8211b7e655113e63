"""How good a ranking is. Every figure is a mean over queries, but the median rank.

A tie counts against the encoder: where a wrong picture has the score of the right one, the wrong
one is taken to come first. An encoder that gives everything the same vector so scores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.retrieval_dataset import Query
from embedding_service.encoders.base import FloatArray

IntArray = NDArray[np.int64]
TOP = 4
_RANKS = 10  # so many right pictures of a query are followed; no figure looks further
_NEVER = np.iinfo(np.int64).max
_QUERIES_A_BLOCK = 512
_RESAMPLES = 2_000
_RESAMPLES_A_BLOCK = 50


@dataclass(frozen=True)
class Ranking:
    """Where the right pictures of n queries came, 1 is the first place.

    `ranks` [n, 10] ascending: of each query's best right pictures, a huge number where it has
    fewer. `best_right` [n] is the picture behind the first of them, `right_scores` [n] its score.
    `top` [n, 4] are the pictures found first, -1 where there are fewer, `top_scores` [n, 4] theirs.
    `right_counts` [n]: how many pictures are right. `groups` [n]: see Query.
    """

    ranks: IntArray
    best_right: IntArray
    right_scores: FloatArray
    top: IntArray
    top_scores: FloatArray
    right_counts: IntArray
    groups: IntArray

    @property
    def first(self) -> IntArray:
        """The place of each query's best right picture [n]."""
        return self.ranks[:, 0]


def rank(texts: FloatArray, pictures: FloatArray, queries: Sequence[Query]) -> Ranking:
    """Rank unit vectors of pictures [m, d] by their dot product with each text's [n, d]."""
    n = len(queries)
    ranks = np.full((n, _RANKS), _NEVER, np.int64)
    best_right = np.zeros(n, np.int64)
    right_scores = np.zeros(n, np.float32)
    top = np.full((n, TOP), -1, np.int64)
    top_scores = np.zeros((n, TOP), np.float32)
    shown = min(TOP, len(pictures))
    for start in range(0, n, _QUERIES_A_BLOCK):
        block = texts[start : start + _QUERIES_A_BLOCK] @ pictures.T
        for row, scores in enumerate(block, start):
            right = np.asarray(queries[row].right)
            of_right = scores[right]
            order = np.argsort(-of_right, kind="stable")[:_RANKS]
            wrong = np.delete(scores, right)
            for place, score in enumerate(of_right[order]):
                ranks[row, place] = 1 + place + np.count_nonzero(wrong >= score)
            best_right[row], right_scores[row] = right[order[0]], of_right[order[0]]
            first = _first(scores, right, shown)
            top[row, :shown], top_scores[row, :shown] = first, scores[first]
    counts = np.array([len(query.right) for query in queries])
    groups = np.array([query.group for query in queries])
    return Ranking(ranks, best_right, right_scores, top, top_scores, counts, groups)


def _first(scores: FloatArray, right: IntArray, count: int) -> IntArray:
    """The `count` pictures found first; of equals the wrong ones come first."""
    least = np.partition(scores, -count)[-count]
    candidates = np.flatnonzero(scores >= least)
    is_right = np.isin(candidates, right)
    order = np.lexsort((candidates, is_right, -scores[candidates]))
    return candidates[order[:count]]


def recall(ranking: Ranking, k: int) -> FloatArray:
    """R@K of each query [n]: 1 when a right picture is among the K first, else 0.

    As papers on retrieval by captions count it (Hodosh, Young, Hockenmaier 2013, "Framing image
    description as a ranking task"): also where several pictures are right, one is enough.
    """
    return (ranking.first <= k).astype(np.float32)


def precision(ranking: Ranking, k: int = TOP) -> FloatArray:
    """P@K of each query [n]: the share of right pictures among the K first, out of K always.

    Manning, Raghavan, Schütze 2008, "Introduction to information retrieval", 8.4. With one right
    picture a query it cannot exceed 1/K.
    """
    return np.asarray((ranking.ranks <= k).sum(1) / k, np.float32)


def ndcg(ranking: Ranking, k: int = TOP) -> FloatArray:
    """NDCG@K of each query [n]: the sum of 1 / log2(1 + rank) over right pictures among the K
    first, divided by the most it could be, with min(K, right pictures) in front.

    Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", with gains of
    0 and 1 and the discount of Burges et al. 2005, which counts from the first place on.
    """
    found = ranking.ranks <= k
    gains = np.where(found, 1 / np.log2(1 + np.where(found, ranking.ranks, 1)), 0).sum(1)
    ideal = np.cumsum(1 / np.log2(1 + np.arange(1, k + 1)))
    return np.asarray(gains / ideal[np.minimum(ranking.right_counts, k) - 1], np.float32)


def reciprocal_rank(ranking: Ranking) -> FloatArray:
    """1 / place of the best right picture [n]; its mean is the MRR.

    Voorhees 1999, "The TREC-8 question answering track report". Not cut off at any place.
    """
    return (1 / ranking.first).astype(np.float32)


def median_rank(ranking: Ranking) -> float:
    """The median place of the best right picture (Hodosh et al. 2013); 1 is perfect."""
    return float(np.median(ranking.first))


def by_query(ranking: Ranking) -> dict[str, FloatArray]:
    """Everything that is a mean over queries, each [n]; names as in the figures."""
    return {
        "r_at_1": 100 * recall(ranking, 1),
        "r_at_5": 100 * recall(ranking, 5),
        "r_at_10": 100 * recall(ranking, 10),
        "p_at_4": 100 * precision(ranking),
        "ndcg_at_4": ndcg(ranking),
        "mrr": reciprocal_rank(ranking),
    }


def means(per_query: Mapping[str, FloatArray]) -> dict[str, float]:
    """The figures themselves."""
    return {name: float(values.mean(dtype=np.float64)) for name, values in per_query.items()}


@dataclass(frozen=True)
class Difference:
    """The second encoder's figure less the first's, and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return not self.low <= 0 <= self.high


def differences(
    first: Mapping[str, FloatArray],
    second: Mapping[str, FloatArray],
    groups: IntArray,
    seed: int = 0,
) -> dict[str, Difference]:
    """Paired bootstrap, percentile interval: groups of queries are drawn with replacement 2,000
    times, and both encoders are judged on the same draw.

    Efron and Tibshirani 1993, "An introduction to the bootstrap", 13.3; Sakai 2006, "Evaluating
    evaluation metrics based on the bootstrap", for paired retrieval runs. Whole groups are drawn,
    because the captions of one picture are found or missed together.
    """
    _, group = np.unique(groups, return_inverse=True)
    names = list(first)
    gained = np.stack([second[name].astype(np.float64) - first[name] for name in names])  # [k, n]
    sums = np.stack([np.bincount(group, row) for row in gained], 1)  # [groups, k]
    sizes = np.bincount(group)
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES // _RESAMPLES_A_BLOCK):
        times = random.multinomial(
            len(sizes), np.full(len(sizes), 1 / len(sizes)), _RESAMPLES_A_BLOCK
        )
        drawn.append((times @ sums) / (times @ sizes)[:, None])
    low, high = np.percentile(np.concatenate(drawn), (2.5, 97.5), axis=0)
    value = sums.sum(0) / sizes.sum()
    return {
        name: Difference(*map(float, (value[i], low[i], high[i]))) for i, name in enumerate(names)
    }
