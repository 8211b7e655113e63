"""Fits a calibration: the background of an encoder's cosines, and a logistic curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.calibration_queries import FITS, FITS_NOT, Judgements
from embedding_service.encoders.base import FloatArray
from viewfinder.calibration import Background, Calibration, Logistic, rounded

BASE_RATE = 0.01
"""Of a hundred pictures one fits."""
RANK = 32
"""Directions of the background that are told apart; more gain nothing (docs/evaluation.md)."""
_OWN = (0.0, 0.25, 0.5, 0.75, 1.0)
_DIGITS = 6
_RIDGE = 1e-6
_LEAST_SLOPE = 1e-3

Numbers = NDArray[np.float64]


def fit(
    encoder: str,
    revision: str,
    pictures: tuple[FloatArray, FloatArray],
    judged: Sequence[tuple[Judgements, Judgements]],
    fitted_on: str,
    others: FloatArray | None = None,
    base_rate: float = BASE_RATE,
) -> Calibration:
    """A calibration from vectors of pictures [n, dim] in two folds, and known answers of the same.

    The background is of all pictures and `others`; the curves are fitted on what either fold's
    queries score against the background of the other fold (cross-fitting). Every sort of query
    weighs the same, and every query within it.

    Raises:
        ValueError: no text queries or no picture queries.
    """
    always = [] if others is None else [others]
    unseen = [background_of(np.concatenate([*always, pictures[1 - fold]])) for fold in (0, 1)]
    text, picture = (
        logistic_of(
            [
                (unseen[fold], folds[fold])
                for folds in judged
                for fold in (0, 1)
                if folds[fold].kind == kind
            ],
            base_rate,
        )
        for kind in ("text", "picture")
    )
    background = background_of(np.concatenate([*always, *pictures]))
    return Calibration(encoder, revision, base_rate, background, text, picture, fitted_on).checked()


def background_of(reference: FloatArray, rank: int = RANK) -> Background:
    """Mean and covariance of vectors [n, dim]: the largest `rank` principal directions, and the
    mean of the rest for all others (probabilistic PCA: Tipping, Bishop 1999)."""
    count, dim = reference.shape
    centred = reference.astype(np.float64)
    mean = centred.mean(0)
    variances, directions = np.linalg.eigh(np.cov(centred - mean, rowvar=False))
    rank = min(rank, dim - 1, count - 1)
    largest = directions[:, ::-1][:, :rank].T
    # An eigenvector may come out either way round: the same everywhere.
    largest *= np.sign(largest[np.arange(rank), np.abs(largest).argmax(1)])[:, None]
    return Background(
        rounded(mean),
        rounded(largest),
        tuple(round(float(one), 9) for one in variances[::-1][:rank]),
        round(max(float(variances[: dim - rank].mean()), 0.0), 9),
    )


def weights_of(fits: NDArray[np.int8], base_rate: float) -> Numbers:
    """[n, m]: in every query what fits weighs `base_rate`, what does not the rest; sum 1."""
    yes, no = fits == FITS, fits == FITS_NOT
    per_query = base_rate * yes / yes.sum(1, keepdims=True)
    per_query = per_query + (1 - base_rate) * no / no.sum(1, keepdims=True)
    weights: Numbers = per_query / len(fits)
    return weights


def z_scores(background: Background, judged: Judgements, logistic: Logistic) -> Numbers:
    """[n, m]: what the curve is over."""
    of_each = [logistic.measured(*background.of(query)) for query in judged.queries]
    means, spreads = np.array(of_each).T
    scores: Numbers = (judged.cosines() - means[:, None]) / spreads[:, None]
    return scores


def logistic_of(judged: Sequence[tuple[Background, Judgements]], base_rate: float) -> Logistic:
    """The most likely curve; how much a query's own background counts is tried out."""
    if not judged:
        raise ValueError("no queries to fit a curve on")
    of_all = np.array([background.of(query) for background, one in judged for query in one.queries])
    mean, spread = (round(float(number), _DIGITS) for number in np.median(of_all, 0))
    answers = np.concatenate([one.fits[one.fits >= 0] == FITS for _, one in judged])
    weights = np.concatenate(
        [weights_of(one.fits, base_rate)[one.fits >= 0] for _, one in judged]
    ) / len(judged)
    tried = []
    for own in _OWN:
        measure = Logistic(1, 0, own, mean, spread)
        scores = np.concatenate(
            [z_scores(background, one, measure)[one.fits >= 0] for background, one in judged]
        )
        curve, loss = fit_logistic(scores, answers, weights)
        tried.append((loss, -own, replace(curve, own=own, mean=mean, spread=spread)))
    return min(tried, key=lambda one: one[:2])[2]


def fit_logistic(
    scores: Numbers, answers: NDArray[np.bool_], weights: Numbers
) -> tuple[Logistic, float]:
    """The most likely curve for weighted yes-or-no answers [n] at scores [n], and its log loss.
    Newton's method.

    The slope is kept above 0: a higher score never means less.
    """
    features = np.stack([scores, np.ones_like(scores)], 1)
    share = float(np.average(answers, weights=weights))
    found = np.array([_LEAST_SLOPE, np.log(share / (1 - share))])
    loss = _loss(features, answers, weights, found)
    for _ in range(100):
        probabilities = _sigmoid(features @ found)
        slope = features.T @ (weights * (probabilities - answers)) + _RIDGE * found
        curvature = (features * (weights * probabilities * (1 - probabilities))[:, None]).T
        step = np.linalg.solve(curvature @ features + _RIDGE * np.eye(2), slope)
        while (tried := _loss(features, answers, weights, found - step)) > loss + 1e-15:
            step /= 2  # Newton's step may go too far where the curve is steep
            if np.abs(step).max() < 1e-12:
                break
        found, loss = found - step, min(loss, tried)
        if np.abs(step).max() < 1e-9:
            break
    slope_and_intercept = (round(float(number), _DIGITS) for number in found)
    curve = Logistic(*slope_and_intercept)
    return replace(curve, slope=max(curve.slope, _LEAST_SLOPE)), loss


def _loss(features: Numbers, answers: NDArray[np.bool_], weights: Numbers, found: Numbers) -> float:
    logits = features @ found
    nats = np.logaddexp(0, np.where(answers, -logits, logits))
    return float(weights @ nats) + _RIDGE / 2 * float(found @ found)


def _sigmoid(logits: Numbers) -> Numbers:
    probabilities: Numbers = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    return probabilities
