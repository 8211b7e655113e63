"""How honest probabilities are, and whether one cut-off means the same for every query."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.calibration_fit import Numbers, fit_logistic, weights_of, z_scores
from bench.calibration_queries import FITS, FITS_NOT, Judgements
from viewfinder.calibration import Calibration, Logistic, QueryKind

BINS = (0.0, 0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
CUT = 0.5

Probabilities = Callable[[Judgements], Numbers]
"""Judgements to [n, m] between 0 and 1."""


@dataclass(frozen=True)
class Cut:
    """What a cut-off keeps, at the base rate.

    `precision`: share of what it keeps that fits. `recall`: share of what fits that it keeps.
    `false_per_1000`: of pictures that do not fit, so many are kept; `..._p90`: of nine queries in
    ten no more.
    """

    precision: float
    recall: float
    false_per_1000: float
    false_per_1000_p90: float


@dataclass(frozen=True)
class Bin:
    """Pictures given a probability between `low` and `high`: mean of what was said, and what was
    so. `weight`: share of all pictures at the base rate."""

    low: float
    high: float
    said: float
    was: float
    weight: float


@dataclass(frozen=True)
class Honesty:
    """Of one way to make probabilities, for one sort of query.

    `brier` (Brier 1950) and `log_loss` are 0 for an oracle; `ece`, the expected calibration error
    (Guo et al. 2017), is 0 where what is said is what is so. All at the base rate, in percent.
    """

    brier: float
    log_loss: float
    ece: float
    cut: Cut
    bins: tuple[Bin, ...]


def by_calibration(calibration: Calibration) -> Probabilities:
    """What is shipped."""

    def probabilities(judged: Judgements) -> Numbers:
        logistic = calibration.text if judged.kind == "text" else calibration.picture
        return _curve(logistic, z_scores(calibration.background, judged, logistic))

    return probabilities


def by_cosine(fitted_on: Sequence[Judgements], base_rate: float) -> Probabilities:
    """To compare with: a logistic curve over the plain cosine."""
    curves: dict[QueryKind, Logistic] = {}
    for kind in {one.kind for one in fitted_on}:
        scores, answers, weights = [], [], []
        for one in fitted_on:
            if one.kind == kind:
                known = one.fits >= 0
                # Of about the size of z-scores, for the sake of the fit's small ridge.
                scores.append(10.0 * one.cosines()[known].astype(np.float64))
                answers.append(one.fits[known] == FITS)
                weights.append(weights_of(one.fits, base_rate)[known])
        together = (np.concatenate(parts) for parts in (scores, answers, weights))
        curves[kind], _ = fit_logistic(*together)
    return lambda judged: _curve(curves[judged.kind], 10.0 * judged.cosines().astype(np.float64))


def by_z_score(calibration: Calibration) -> Probabilities:
    """To compare with: no fit, only how rarely any picture would score so (normal tail)."""
    # Abramowitz and Stegun 7.1.26, exact to 1.5e-7: numpy has no error function.
    coefficients = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0.0)

    def probabilities(judged: Judgements) -> Numbers:
        z = z_scores(calibration.background, judged, Logistic(1, 0))
        t = 1 / (1 + 0.3275911 * np.abs(z) / np.sqrt(2))
        tail = np.polyval(coefficients, t) * np.exp(-(z**2) / 2) / 2
        below: Numbers = np.where(z > 0, 1 - tail, tail)
        return below

    return probabilities


def honesty(judged: Judgements, probabilities: Probabilities, base_rate: float) -> Honesty:
    """Measured on queries that nothing was fitted on."""
    said = probabilities(judged)
    known = judged.fits >= 0
    weights = weights_of(judged.fits, base_rate)[known]
    given, is_so = said[known], judged.fits[known] == FITS
    bins = []
    for low, high in itertools.pairwise(BINS):
        inside = (given >= low) & ((given < high) | (high == BINS[-1]))
        weight = float(weights[inside].sum())
        if weight:
            mean, so = (float(weights[inside] @ x[inside]) / weight for x in (given, is_so))
            bins.append(Bin(low, high, mean, so, weight))
    bounded = np.clip(given, 1e-9, 1 - 1e-9)
    return Honesty(
        brier=100 * float(weights @ np.square(given - is_so)),
        log_loss=100 * float(weights @ -np.log(np.where(is_so, bounded, 1 - bounded))),
        ece=100 * sum(one.weight * abs(one.said - one.was) for one in bins),
        cut=cut_at(judged, said >= CUT, base_rate),
        bins=tuple(bins),
    )


def cut_at(judged: Judgements, kept: NDArray[np.bool_], base_rate: float) -> Cut:
    """What keeping `kept` [n, m] means, each query weighing the same."""
    yes, no = judged.fits == FITS, judged.fits == FITS_NOT
    recall = float(((kept & yes).sum(1) / yes.sum(1)).mean())
    false = (kept & no).sum(1) / no.sum(1)
    right, wrong = base_rate * recall, (1 - base_rate) * float(false.mean())
    return Cut(
        right / (right + wrong) if right + wrong else float("nan"),
        recall,
        1000 * float(false.mean()),
        1000 * float(np.quantile(false, 0.9)),
    )


def best_cosine(judged: Sequence[Judgements], base_rate: float) -> float:
    """The one cosine to cut all these queries at with the best F1, in steps of 0.005."""

    def f1(cosine: float) -> float:
        cuts = [cut_at(one, scored >= cosine, base_rate) for one, scored in scores]
        precision = float(np.nan_to_num([cut.precision for cut in cuts]).mean())
        recall = float(np.mean([cut.recall for cut in cuts]))
        return 2 * precision * recall / (precision + recall) if recall else 0.0

    scores = [(one, one.cosines()) for one in judged]
    return max((float(cosine) for cosine in np.arange(0.05, 0.95, 0.005)), key=f1)


def _curve(logistic: Logistic, scores: Numbers) -> Numbers:
    logits = np.clip(logistic.slope * scores + logistic.intercept, -700, 700)
    probabilities: Numbers = 1 / (1 + np.exp(-logits))
    return probabilities
