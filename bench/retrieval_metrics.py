"""How good a ranking is: text to picture, binary relevance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.datasets import Question
from embedding_service.encoders.base import FloatArray

_SHOWN = 4
_BLOCK = 1024

Ranks = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Of every question: the rank (from 1) of its best right picture, how many of the first four
    are right, the gain of these four, and which pictures came first."""

    best_rank: Ranks  # [q]
    right_of_4: Ranks  # [q]
    ndcg_at_4: NDArray[np.float64]  # [q]
    first: Ranks  # [q, 4], indices of pictures
    best_right: Ranks  # [q], index of the best right picture


def rank(texts: FloatArray, pictures: FloatArray, questions: list[Question]) -> Ranking:
    """Rank unit vectors of pictures [p, d] by their dot product with those of texts [q, d].

    Of equal scores the picture that comes first in the dataset ranks first.
    """
    best_rank, right_of_4, ndcg, first, best_right = [], [], [], [], []
    for start in range(0, len(texts), _BLOCK):
        orders = np.argsort(-(texts[start : start + _BLOCK] @ pictures.T), axis=1, kind="stable")
        for order, question in zip(orders, questions[start : start + _BLOCK], strict=True):
            right = np.fromiter(question.right, np.int64)
            is_right = np.isin(order, right)
            place = int(np.argmax(is_right))
            best_rank.append(place + 1)
            best_right.append(int(order[place]))
            right_of_4.append(int(is_right[:_SHOWN].sum()))
            ndcg.append(_ndcg(is_right[:_SHOWN], len(right)))
            first.append(np.resize(order[:_SHOWN], _SHOWN))
    return Ranking(
        np.array(best_rank),
        np.array(right_of_4),
        np.array(ndcg),
        np.array(first),
        np.array(best_right),
    )


def _ndcg(is_right: NDArray[np.bool_], right: int) -> float:
    discounts = 1 / np.log2(np.arange(2, 2 + _SHOWN))
    ideal = discounts[: min(right, _SHOWN)].sum()
    return float((is_right * discounts[: len(is_right)]).sum() / ideal)


def figures_of(ranking: Ranking) -> dict[str, float]:
    """Means over the questions.

    r_at_k: percent of questions with a right picture among the first k (recall@k as in image
    retrieval: Jegou, Douze, Schmid, TPAMI 2011). p_at_4: percent of right ones among the first
    four. ndcg_at_4: with binary gains (Jarvelin, Kekalainen, TOIS 2002), 0..1. mrr: mean of
    1 / rank of the first right one (Voorhees, TREC-8, 1999). median_rank: of the first right one.
    """
    ranks = ranking.best_rank
    return {
        **{f"r_at_{k}": float(np.mean(ranks <= k) * 100) for k in (1, 5, 10)},
        "p_at_4": float(np.mean(ranking.right_of_4 / _SHOWN) * 100),
        "ndcg_at_4": float(np.mean(ranking.ndcg_at_4)),
        "mrr": float(np.mean(1 / ranks)),
        "median_rank": float(np.median(ranks)),
    }


def difference_interval(
    first: Ranking, second: Ranking, k: int = 10, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the difference second - first of r_at_k, percent points.

    Paired bootstrap over the questions (Efron, Tibshirani, 1993): when 0 lies outside, the
    difference is more than luck of the questions.
    """
    gains = (second.best_rank <= k).astype(np.float64) - (first.best_rank <= k)
    random = np.random.default_rng(seed)
    means = [random.choice(gains, len(gains)).mean() * 100 for _ in range(rounds)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
