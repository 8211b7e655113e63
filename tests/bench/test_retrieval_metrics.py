"""Figures of a ranking, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.datasets import Question
from bench.retrieval_metrics import difference_interval, figures_of, rank


def questions(*right: set[int]) -> list[Question]:
    return [Question(f"question {n}", frozenset(one)) for n, one in enumerate(right)]


def scores(*rows: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Texts and pictures whose products are these scores: pictures are the axes."""
    texts = np.array(rows, np.float32)
    return texts, np.eye(texts.shape[1], dtype=np.float32)


def test_one_right_picture_each() -> None:
    texts, pictures = scores([0.9, 0.5, 0.1, 0.0, 0.2], [0.9, 0.5, 0.1, 0.0, 0.2])
    ranking = rank(texts, pictures, questions({0}, {2}))  # ranks 1 and 4
    assert ranking.best_rank.tolist() == [1, 4]
    found = figures_of(ranking)
    assert (found["r_at_1"], found["r_at_5"], found["r_at_10"]) == (50, 100, 100)
    assert found["p_at_4"] == pytest.approx(25)
    assert found["ndcg_at_4"] == pytest.approx((1 + 1 / math.log2(5)) / 2)
    assert found["mrr"] == pytest.approx((1 + 1 / 4) / 2)
    assert found["median_rank"] == 2.5


def test_several_right_pictures() -> None:
    texts, pictures = scores([0.9, 0.8, 0.7, 0.6, 0.5])
    ranking = rank(texts, pictures, questions({1, 3, 4}))  # the first four: wrong right wrong right
    found = figures_of(ranking)
    gain = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg_at_4"] == pytest.approx(gain / ideal)
    assert found["p_at_4"] == pytest.approx(50)
    assert found["mrr"] == pytest.approx(0.5)
    assert ranking.best_right.tolist() == [1]
    assert ranking.first.tolist() == [[0, 1, 2, 3]]


def test_of_equal_scores_the_first_comes_first() -> None:
    texts, pictures = scores([0.5, 0.5, 0.5])
    assert rank(texts, pictures, questions({2})).best_rank.tolist() == [3]


def test_fewer_than_four_pictures_are_enough() -> None:
    texts, pictures = scores([0.1, 0.9])
    found = figures_of(rank(texts, pictures, questions({1})))
    assert (found["r_at_1"], found["ndcg_at_4"]) == (100, 1)


def test_it_agrees_with_brute_force_on_many_questions() -> None:
    random = np.random.default_rng(1)
    texts, pictures = random.standard_normal((1500, 8)), random.standard_normal((60, 8))
    right = random.integers(0, 60, 1500)
    ranking = rank(
        texts.astype(np.float32),
        pictures.astype(np.float32),
        questions(*({int(one)} for one in right)),
    )
    products = texts.astype(np.float32) @ pictures.astype(np.float32).T
    own = products[np.arange(1500), right]
    assert ranking.best_rank.tolist() == ((products > own[:, None]).sum(1) + 1).tolist()


def test_the_interval_of_a_clear_difference_leaves_out_zero() -> None:
    good = np.tile([1.0, 0.0] + [0.0] * 18, (200, 1))
    bad = np.tile([0.0] + [1.0] * 19, (200, 1))  # the right one comes last
    ask = questions(*({0} for _ in range(200)))
    first, second = (rank(*scores(*rows.tolist()), ask) for rows in (bad, good))
    assert difference_interval(first, second) == (100, 100)
    assert difference_interval(first, first) == (0, 0)
