"""Cosines as probabilities."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from viewfinder.calibration import (
    Background,
    BrokenCalibration,
    Calibration,
    Logistic,
    RelevanceCurve,
    rounded,
)

DIM = 6
QUERY = np.array([0.6, 0.8, 0, 0, 0, 0], np.float32)


def calibration(**changes: Any) -> Calibration:
    made = Calibration(
        encoder="histogram",
        revision="r1",
        base_rate=0.01,
        background=Background(
            rounded(np.linspace(0, 0.1, DIM)),
            rounded(np.eye(DIM)[:2]),
            (0.04, 0.01),
            0.0025,
        ),
        text=Logistic(1.5, -6.0),
        picture=Logistic(0.9, -5.5, 0.5, 0.02, 0.1),
        fitted_on="a test",
    )
    return replace(made, **changes)


def test_the_background_gives_the_mean_and_the_spread_of_a_query() -> None:
    known = calibration().background
    mean, spread = known.of(QUERY)
    whole = np.diag([0.04, 0.01, 0.0025, 0.0025, 0.0025, 0.0025])
    assert mean == pytest.approx(float(known.mean @ QUERY))
    assert spread == pytest.approx(math.sqrt(QUERY @ whole @ QUERY))


def test_a_cosine_is_measured_by_what_its_query_scores_with_any_picture() -> None:
    mean, spread = calibration().background.of(QUERY)
    curve = calibration().curve(QUERY, "text")
    logit = 1.5 * (0.5 - mean) / spread - 6.0
    assert curve.of(0.5) == pytest.approx(1 / (1 + math.exp(-logit)))


def test_texts_and_pictures_have_curves_of_their_own() -> None:
    known = calibration()
    assert known.curve(QUERY, "text").of(0.4) != known.curve(QUERY, "picture").of(0.4)


def test_a_share_of_zero_measures_all_queries_alike() -> None:
    known = calibration(text=Logistic(2, -5, 0.0, 0.05, 0.2))
    other = QUERY[::-1].copy()
    assert known.curve(QUERY, "text") == known.curve(other, "text")
    assert known.curve(QUERY, "text") == RelevanceCurve(0.05, 0.2, 2, -5)


@pytest.mark.parametrize("kind", ["text", "picture"])
def test_a_higher_cosine_is_never_less_relevant(kind: Any) -> None:
    curve = calibration().curve(QUERY, kind)
    found = [curve.of(float(cosine)) for cosine in np.linspace(-1, 1, 2001)]
    assert found == sorted(found)
    assert all(0 <= one <= 1 for one in found)


@pytest.mark.parametrize("probability", [0.001, 0.5, 0.9, 0.999])
def test_the_cosine_of_a_probability_has_that_probability(probability: float) -> None:
    curve = calibration().curve(QUERY, "text")
    assert curve.of(curve.cosine_at(probability)) == pytest.approx(probability)


def test_certainty_is_at_no_cosine() -> None:
    curve = calibration().curve(QUERY, "text")
    assert curve.cosine_at(1.0) == math.inf
    assert curve.cosine_at(0.0) == -math.inf


@pytest.mark.parametrize(
    ("cosine", "expected"), [(math.nan, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (1e30, 1.0)]
)
def test_what_is_no_cosine_gives_a_probability_all_the_same(cosine: float, expected: float) -> None:
    assert calibration().curve(QUERY, "text").of(cosine) == pytest.approx(expected, abs=1e-9)


def test_a_query_that_all_pictures_fit_alike_has_a_spread() -> None:
    flat = Background(rounded(np.zeros(DIM)), rounded(np.eye(DIM)[:1]), (0.0,), 0.0)
    assert math.isfinite(calibration(background=flat).curve(QUERY, "text").of(0.3))


def test_json_brings_back_the_same_probabilities_under_the_same_id() -> None:
    known = calibration()
    again = Calibration.from_json(known.to_json())
    assert again.id == known.id
    assert again.curve(QUERY, "picture") == known.curve(QUERY, "picture")
    assert (again.encoder, again.revision, again.fitted_on) == ("histogram", "r1", "a test")


def test_other_content_has_another_id() -> None:
    assert calibration(text=Logistic(1.6, -6.0)).id != calibration().id


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"mean": "no base64!"},
        {"directions": "AAAA"},
        {"variances": [0.1]},
        {"variances": [0.1, -0.1]},
        {"base_rate": 1},
        {"base_rate": "NaN"},
        {"rest": "inf"},
        {"text": {"slope": 1.0}},
        {"text": {"slope": 0, "intercept": 0, "own": 1, "mean": 0, "spread": 1}},
        {"text": {"slope": 1, "intercept": 0, "own": 2, "mean": 0, "spread": 1}},
        {"picture": {"slope": 1, "intercept": 0, "own": 1, "mean": 0, "spread": 0}},
        {"picture": None},
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, Any]) -> None:
    data = json.loads(calibration().to_json()) | change
    with pytest.raises(BrokenCalibration):
        Calibration.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '"text"'])
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(BrokenCalibration):
        Calibration.from_json(text)
