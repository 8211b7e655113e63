"""Fitting and judging calibrations, on answers made up with known probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.calibrate import Material, calibrate
from bench.calibration_figures import best_cosine, by_calibration, cut_at, honesty
from bench.calibration_fit import BASE_RATE, background_of, fit_logistic, weights_of
from bench.calibration_queries import (
    FITS,
    FITS_NOT,
    UNKNOWN,
    Judgements,
    split_queries,
    words_of,
)
from bench.calibration_table import figures
from bench.retrieval_dataset import Dataset, DatasetProblem, Query, captions_dataset
from embedding_service.encoders.base import FloatArray

DIM = 24
KINDS = 40


def unit(rows: FloatArray) -> FloatArray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class World:
    """Pictures of many kinds of things around one direction a kind; some kinds are wide."""

    def __init__(self, pictures_a_kind: int = 8) -> None:
        random = np.random.default_rng(0)
        self.kinds = unit(random.standard_normal((KINDS, DIM)))
        self.of = np.tile(np.arange(KINDS), pictures_a_kind)
        noise = random.standard_normal((len(self.of), DIM)).astype(np.float32)
        self.pictures = unit(self.kinds[self.of] + 0.14 * noise)

    def dataset(self) -> Dataset:
        return captions_dataset(
            (Path(f"{number}.jpg"), [f"this {name(kind)}", f"that {name(kind)}"])
            for number, kind in enumerate(self.of)
        )

    def embed(self, texts: Sequence[str]) -> FloatArray:
        rows = []
        for text in texts:
            kind = next(kind for kind in range(KINDS) if name(kind) in text.split())
            rows.append(self.kinds[kind])
        return np.stack(rows)


def name(kind: int) -> str:
    return "thing" + chr(97 + kind // 26) + chr(97 + kind % 26) + "o"


def material(world: World) -> Material:
    splits = split_queries("made up", world.dataset(), world.pictures, world.embed)
    return Material("made up", world.pictures, tuple(splits))


def test_a_curve_recovers_the_probabilities_that_answers_were_drawn_with() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(0, 2, 40_000)
    answers = random.random(40_000) < 1 / (1 + np.exp(-(1.7 * scores - 2.5)))
    curve, _ = fit_logistic(scores, answers, np.full(40_000, 1 / 40_000))
    assert curve.slope == pytest.approx(1.7, abs=0.06)
    assert curve.intercept == pytest.approx(-2.5, abs=0.08)


def test_a_curve_over_answers_that_a_score_parts_cleanly_is_finite_and_rises() -> None:
    scores = np.array([-3.0, -2.0, 2.0, 3.0])
    curve, _ = fit_logistic(scores, scores > 0, np.full(4, 0.25))
    assert 0 < curve.slope < 100
    assert np.isfinite(curve.intercept)


def test_a_curve_never_falls_even_where_answers_say_so() -> None:
    scores = np.array([-3.0, -2.0, 2.0, 3.0])
    curve, _ = fit_logistic(scores, scores < 0, np.full(4, 0.25))
    assert curve.slope > 0


def test_the_background_is_that_of_the_pictures() -> None:
    pictures = World().pictures
    query = unit(np.random.default_rng(5).standard_normal(DIM))
    mean, spread = background_of(pictures, DIM - 1).of(query)
    cosines = pictures @ query
    assert mean == pytest.approx(float(cosines.mean()), abs=1e-3)
    assert spread == pytest.approx(float(cosines.std(ddof=1)), rel=0.01)


def test_few_directions_keep_the_variance_of_the_rest_on_average() -> None:
    pictures = World().pictures
    kept = background_of(pictures, 4)
    whole = float(np.var(pictures, axis=0, ddof=1).sum())
    assert sum(kept.variances) + (DIM - 4) * kept.rest == pytest.approx(whole, rel=1e-4)


def test_fewer_pictures_than_numbers_in_a_vector_are_enough_for_a_background() -> None:
    assert background_of(World().pictures[:10]).directions.shape == (9, DIM)


def test_held_out_probabilities_are_honest_and_better_than_guessing() -> None:
    made = material(World())
    calibration, found = calibrate("e", "r1", [made])
    assert {one.title for one in found} == {
        "made up: sentences", "made up: words", "made up: pictures",
    }  # fmt: skip
    guessing = 100 * BASE_RATE * (1 - BASE_RATE)
    for one in found:
        assert one.shipped.brier < guessing / 2
        assert one.shipped.ece < 0.5
        assert one.shipped.log_loss <= one.z_score.log_loss
    assert calibration.dim == DIM
    assert figures(calibration, found)["made_up_words_cut_recall"] == pytest.approx(
        next(one.shipped.cut.recall for one in found if one.title.endswith("words")), abs=1e-4
    )


def test_fitting_again_gives_the_same_file() -> None:
    first, second = (calibrate("e", "r1", [material(World())])[0] for _ in range(2))
    assert first.to_json() == second.to_json()


def test_no_picture_and_no_sentence_is_on_both_sides() -> None:
    for split in material(World()).splits:
        sides = [
            {row.tobytes() for row in part.pictures} for part in (*split.folds, split.held_out)
        ]
        assert not sides[0] & sides[1]
        assert not (sides[0] | sides[1]) & sides[2]


def test_in_every_query_what_fits_weighs_the_base_rate() -> None:
    fits = np.array([[1, 0, 0, -1], [1, 1, 0, 0]], np.int8)
    weights = weights_of(fits, 0.1)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == pytest.approx([0.05, 0.225, 0.225, 0])
    assert weights[1] == pytest.approx([0.025, 0.025, 0.225, 0.225])


def test_a_cut_is_counted_at_the_base_rate() -> None:
    fits = np.array([[FITS, FITS, FITS_NOT, FITS_NOT, UNKNOWN]], np.int8)
    judged = Judgements(
        "", "text", np.zeros((1, 1), np.float32), np.zeros((5, 1), np.float32), fits
    )
    cut = cut_at(judged, np.array([[True, False, True, False, True]]), 0.1)
    assert (cut.recall, cut.false_per_1000) == (0.5, 500)
    assert cut.precision == pytest.approx(0.05 / (0.05 + 0.45))


def test_the_best_cosine_parts_what_fits_from_what_does_not() -> None:
    pictures = unit(np.array([[1, 0.1], [1, 0.2], [0.1, 1], [0, 1]], np.float32))
    fits = np.array([[1, 1, 0, 0]], np.int8)
    judged = Judgements("", "text", unit(np.array([[1, 0]], np.float32)), pictures, fits)
    cut = cut_at(judged, judged.cosines() >= best_cosine([judged], 0.01), 0.01)
    assert (cut.precision, cut.recall) == (1, 1)


def test_a_reliability_table_accounts_for_everything() -> None:
    made = material(World())
    calibration, _ = calibrate("e", "r1", [made])
    found = honesty(made.splits[0].held_out, by_calibration(calibration), BASE_RATE)
    assert sum(one.weight for one in found.bins) == pytest.approx(1)
    assert all(one.low <= one.said <= one.high for one in found.bins)


def test_a_sentence_is_unsure_of_pictures_that_are_described_like_its_own() -> None:
    world = World()
    fits = material(world).splits[0].held_out.fits
    assert set((fits == FITS).sum(1)) == {1}  # the picture it was written for
    assert (fits == UNKNOWN).any(1).all()


def test_words_are_what_one_can_see_and_plurals_are_their_singulars() -> None:
    assert list(words_of("A brown horse stands there with two horses")) == ["brown", "horse"]


def test_labels_alone_are_enough_for_a_calibration() -> None:
    world = World()
    pictures = tuple(Path(f"{number}.jpg") for number in range(len(world.of)))
    queries = tuple(
        Query(f"a photo of a {name(kind)}", tuple(np.flatnonzero(world.of == kind).tolist()), kind)
        for kind in range(KINDS)
    )
    splits = split_queries("labels", Dataset(pictures, queries), world.pictures, world.embed)
    assert {split.held_out.kind for split in splits} == {"text", "picture"}


def test_a_dataset_that_says_too_little_is_refused() -> None:
    world = World(1)
    dataset = captions_dataset((Path(f"{n}.jpg"), [f"the {name(n)}"]) for n in range(KINDS))
    with pytest.raises(DatasetProblem, match="says too little"):
        split_queries("few", dataset, world.pictures, world.embed)
