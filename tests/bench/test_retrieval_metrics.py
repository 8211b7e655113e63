import math

import numpy as np
import pytest

from bench.retrieval_dataset import Query
from bench.retrieval_metrics import (
    Ranking,
    by_query,
    differences,
    means,
    median_rank,
    rank,
)


def ranking_of(scores: list[list[float]], right: list[tuple[int, ...]]) -> Ranking:
    """Of given scores [n, m]: texts are rows of the unit matrix."""
    n = len(scores)
    queries = [Query(f"q{number}", pictures, number) for number, pictures in enumerate(right)]
    return rank(np.eye(n, dtype=np.float32), np.asarray(scores, np.float32).T, queries)


def test_one_right_picture_at_the_third_place() -> None:
    figures = means(by_query(ranking_of([[0.9, 0.8, 0.7, 0.6, 0.5]], [(2,)])))
    assert figures == {
        "r_at_1": 0.0,
        "r_at_5": 100.0,
        "r_at_10": 100.0,
        "p_at_4": 25.0,
        "ndcg_at_4": 0.5,  # 1 / log2(1 + 3)
        "mrr": pytest.approx(1 / 3),
    }


def test_three_right_pictures_at_places_one_four_and_six() -> None:
    found = ranking_of([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]], [(0, 3, 5)])
    assert found.ranks[0, :3].tolist() == [1, 4, 6]
    figures = means(by_query(found))
    assert figures["p_at_4"] == 50.0
    most = 1 + 1 / math.log2(3) + 1 / 2
    assert figures["ndcg_at_4"] == pytest.approx((1 + 1 / math.log2(5)) / most)
    assert figures["mrr"] == figures["r_at_1"] / 100 == 1.0


def test_figures_are_means_over_queries_and_the_median_rank_is_a_median() -> None:
    scores = [[3.0, 2, 1], [3, 2, 1], [3, 2, 1], [3, 2, 1]]
    found = ranking_of(scores, [(0,), (1,), (2,), (2,)])
    assert means(by_query(found))["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 3) / 4)
    assert median_rank(found) == 2.5


def test_a_collapsed_encoder_scores_nothing() -> None:
    found = ranking_of([[0.5] * 20] * 3, [(0,), (7,), (19,)])
    assert found.first.tolist() == [20, 20, 20]
    assert found.top[0].tolist() == [1, 2, 3, 4]
    figures = means(by_query(found))
    assert figures["r_at_10"] == figures["p_at_4"] == 0


def test_what_was_found_first_is_in_order_with_its_scores() -> None:
    found = ranking_of([[0.1, 0.9, 0.3, 0.9, 0.5, 0.2]], [(1, 2)])
    assert found.top[0].tolist() == [3, 1, 4, 2]
    assert found.top_scores[0].tolist() == pytest.approx([0.9, 0.9, 0.5, 0.3])
    assert (found.best_right[0], found.right_scores[0]) == (1, pytest.approx(0.9))


def test_fewer_pictures_than_places_leave_places_empty() -> None:
    found = ranking_of([[0.9, 0.8]], [(1,)])
    assert found.top[0].tolist() == [0, 1, -1, -1]
    assert means(by_query(found))["r_at_5"] == 100


@pytest.mark.parametrize("levels", [3, 1000])
def test_every_figure_is_that_of_a_plain_sort(levels: int) -> None:
    """Also with many ties (three levels of scores)."""
    random = np.random.default_rng(levels)
    n, m = 60, 45
    scores = random.integers(0, levels, (n, m)) / levels
    right = [
        tuple(random.choice(m, int(random.integers(1, 15)), replace=False).tolist())
        for _ in range(n)
    ]
    found = ranking_of(scores.tolist(), right)
    figures = means(by_query(found))
    rows = []
    for row, pictures in zip(scores, right, strict=True):
        order = sorted(range(m), key=lambda p: (-row[p], p in pictures, p))
        hits = [picture in pictures for picture in order]
        gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits[:4]))
        most = sum(1 / math.log2(place + 2) for place in range(min(4, len(pictures))))
        first = hits.index(True) + 1
        top = order[:4]
        rows.append(([first <= k for k in (1, 5, 10)], sum(hits[:4]) / 4, gain / most, first, top))
    for k, number in ((1, 0), (5, 1), (10, 2)):
        brute = 100 * np.mean([row[0][number] for row in rows])
        assert figures[f"r_at_{k}"] == pytest.approx(brute)
    assert figures["p_at_4"] == pytest.approx(100 * np.mean([row[1] for row in rows]))
    assert figures["ndcg_at_4"] == pytest.approx(np.mean([row[2] for row in rows]))
    assert figures["mrr"] == pytest.approx(np.mean([1 / row[3] for row in rows]))
    assert median_rank(found) == np.median([row[3] for row in rows])
    assert found.top.tolist() == [row[4] for row in rows]


def test_an_encoder_compared_with_itself_differs_by_nothing() -> None:
    values = {"mrr": np.random.default_rng(0).random(50).astype(np.float32)}
    found = differences(values, values, np.arange(50))["mrr"]
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert not found.is_clear


def test_a_paired_difference_is_clear_where_unpaired_noise_would_hide_it() -> None:
    random = np.random.default_rng(1)
    hard = random.normal(0, 10, 200)
    first = {"mrr": hard.astype(np.float32)}
    second = {"mrr": (hard + random.normal(0.5, 0.5, 200)).astype(np.float32)}
    found = differences(first, second, np.arange(200))["mrr"]
    assert found.low < found.value < found.high
    assert found.value == pytest.approx((second["mrr"] - first["mrr"]).mean(), abs=1e-5)
    # The interval of the mean of 200 differences of spread .5: 1.96 * .5 / sqrt(200).
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 / 200**0.5, rel=0.15)
    assert found.is_clear


def test_captions_of_one_picture_count_as_one_observation() -> None:
    """Five copies of each query tell nothing new, so the interval must not shrink."""
    random = np.random.default_rng(2)
    gained = random.normal(0, 1, 40).astype(np.float32)
    zero = {"mrr": np.zeros(40, np.float32)}
    once = differences(zero, {"mrr": gained}, np.arange(40))["mrr"]
    copied = {"mrr": np.repeat(gained, 5)}
    groups = np.repeat(np.arange(40), 5)
    many = differences({"mrr": np.zeros(200, np.float32)}, copied, groups)["mrr"]
    assert (many.low, many.high) == pytest.approx((once.low, once.high))
