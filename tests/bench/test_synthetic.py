"""Synthetic collections: what their recipe promises."""

from __future__ import annotations

import numpy as np

from bench.captions import MAX_CAPTIONS, captions
from bench.synthetic import (
    BATCH,
    CATEGORIES,
    Recipe,
    SyntheticCollection,
    category_filter,
    share_filter,
)
from search_service.filters import parse_filters
from tests.bench.fake_encoder import WordEncoder

DIM = 32


def made(recipe: Recipe) -> SyntheticCollection:
    return SyntheticCollection(recipe, WordEncoder(recipe.dim).embed_texts)


def test_the_same_recipe_makes_the_same_points() -> None:
    first, second = (list(made(Recipe(300, DIM, seed=5)).batches()) for _ in range(2))
    np.testing.assert_array_equal(first[0].vectors, second[0].vectors)
    assert first[0].points == second[0].points


def test_another_seed_makes_other_points() -> None:
    first, second = (next(made(Recipe(10, DIM, seed=seed)).batches()) for seed in (1, 2))
    assert not np.allclose(first.vectors, second.vectors)
    assert first.points[0].id != second.points[0].id


def test_all_points_come_in_batches_each_with_an_id_of_its_own() -> None:
    batches = list(made(Recipe(BATCH + 10, DIM)).batches())
    assert [len(batch.points) for batch in batches] == [BATCH, 10]
    assert len({point.id for batch in batches for point in batch.points}) == BATCH + 10


def test_vectors_have_length_one() -> None:
    for kind in ("clustered", "uniform"):
        vectors = next(made(Recipe(200, DIM, kind)).batches()).vectors
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_clustered_points_lie_around_the_vectors_of_captions() -> None:
    encoder = WordEncoder(DIM)
    batch = next(SyntheticCollection(Recipe(500, DIM), encoder.embed_texts).batches())
    centres = encoder.embed_texts([caption.text for caption in captions(64, 0)])
    nearest = (batch.vectors @ centres.T).max(1)
    assert 0.6 < nearest.mean() < 0.95
    uniform = next(made(Recipe(500, DIM, "uniform")).batches()).vectors
    assert (uniform @ centres.T).max(1).mean() < nearest.mean() - 0.1


def test_tags_tell_of_what_the_vector_shows() -> None:
    encoder = WordEncoder(DIM)
    batch = next(SyntheticCollection(Recipe(200, DIM), encoder.embed_texts).batches())
    all_captions = {caption.tags: caption.text for caption in captions(64, 0)}
    texts = [all_captions[tuple(point.payload["tags"])] for point in batch.points]
    cosines = (encoder.embed_texts(texts) * batch.vectors).sum(1)
    assert cosines.min() > 0.4


def test_the_filters_leave_the_share_they_are_named_for() -> None:
    points = [point for batch in made(Recipe(20_000, DIM)).batches() for point in batch.points]
    in_category = sum(point.payload["category"] == CATEGORIES[0] for point in points)
    assert category_filter() == {"category": CATEGORIES[0]}
    assert 0.015 < in_category / len(points) < 0.025
    bound = share_filter(50)["size_bytes"]["lt"]
    assert 0.48 < sum(point.payload["size_bytes"] < bound for point in points) / len(points) < 0.52


def test_every_filter_can_be_searched_with() -> None:
    assert len(parse_filters({**category_filter(), **share_filter(2)})) == 2


def test_captions_differ_from_each_other() -> None:
    made_captions = captions(10_000, seed=1)
    assert len({caption.text for caption in made_captions}) == 10_000 < MAX_CAPTIONS
