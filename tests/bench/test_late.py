"""`viewfinder bench late`: few small pages, in all ways."""

from __future__ import annotations

import numpy as np
import pytest

from bench.late import LatePlan, max_sims, measure_late, ndcg_of
from bench.synthetic_pages import PageQuery, PagesRecipe, SyntheticPages
from search_service.engine_options import EngineOptions

RECIPE = PagesRecipe(pages=40, rows=56, dim=32)


def test_every_way_is_timed_and_judged() -> None:
    run = measure_late(LatePlan(RECIPE, 4, 12, EngineOptions(min_free_bytes=0)))
    figures = run.figures()
    assert figures["queries"] == 4
    # So few pages are all ranked by all of their rows.
    assert run.kept == 1
    assert run.ndcg["engine_full"] == pytest.approx(run.ndcg["numpy_full"])
    assert run.ndcg["engine_full"] > 0.5
    assert figures["disk_mib"]
    assert {len(seconds) for seconds in run.seconds.values()} == {4, 3}


def test_the_same_recipe_gives_the_same_pages_of_unit_rows() -> None:
    first, again = SyntheticPages(RECIPE), SyntheticPages(RECIPE)
    np.testing.assert_array_equal(first.page(7), again.page(7))
    np.testing.assert_allclose(np.linalg.norm(first.page(7), axis=1), 1, atol=1e-5)
    one, other = first.query(3, 10), again.query(3, 10)
    np.testing.assert_array_equal(one.tokens, other.tokens)
    assert one.page == other.page
    assert one.page not in one.alike


def test_rows_of_a_page_are_as_alike_as_the_recipe_says() -> None:
    page = SyntheticPages(PagesRecipe(1, 28 * 20, 128)).page(0)
    within = page[:20] @ page[:20].T
    assert within[~np.eye(20, dtype=bool)].mean() == pytest.approx(0.6, abs=0.05)


def test_max_sim_is_the_sum_of_each_tokens_best_row() -> None:
    tokens = np.eye(3, dtype=np.float32)[:2]
    pages = np.asarray([[[1, 0, 0], [0, 0.5, 0]], [[0, 0, 1], [0, 0, 1]]], np.float32)
    np.testing.assert_allclose(max_sims(tokens, pages), [1.5, 0])


def test_ndcg_is_one_for_the_best_order_and_less_for_another() -> None:
    query = PageQuery(np.zeros((1, 1), np.float32), 4, (5, 6))
    assert ndcg_of([4, 5, 6], query) == pytest.approx(1)
    assert ndcg_of([5, 4, 6], query) < 1
    assert ndcg_of([1, 2, 3], query) == 0
