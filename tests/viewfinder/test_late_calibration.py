"""MaxSim as a probability, and the file it is kept in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from viewfinder.calibration import BrokenCalibration
from viewfinder.late_calibration import LateCalibration

MADE = LateCalibration("reader", "r1:1", 0.01, 20.0, -12.0, "my pages")


def test_it_is_the_same_after_a_file() -> None:
    read = LateCalibration.from_json(MADE.to_json())
    assert read == MADE
    assert read.id == MADE.id


def test_another_fit_has_another_id() -> None:
    assert replace(MADE, slope=21.0).id != MADE.id


def test_more_is_more_probable_and_half_is_where_the_curve_says() -> None:
    curve = MADE.curve
    assert curve.of(0.6) == pytest.approx(0.5)
    assert curve.of(0.5) < curve.of(0.6) < curve.of(0.7)
    assert curve.of(float("nan")) == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"slope": -1.0},
        {"slope": "steep"},
        {"intercept": float("nan")},
        {"base_rate": 1.0},
        {"format": 1},
        {"encoder": None, "slope": None},
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    data = {**json.loads(MADE.to_json()), **changes}
    with pytest.raises(BrokenCalibration):
        LateCalibration.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BrokenCalibration):
        LateCalibration.from_json(text)
