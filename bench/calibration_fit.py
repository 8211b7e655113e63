"""Fits a calibration: the background of an encoder's cosines, and a logistic curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.calibration_queries import FITS, FITS_NOT, Judgements
from embedding_service.encoders.base import FloatArray
from viewfinder.calibration import Background, Calibration, Logistic, rounded

BASE_RATE = 0.01
"""Of a hundred pictures one fits."""
RANK = 32
"""Directions of the background that are told apart; more gain nothing (docs/evaluation.md)."""
_DIGITS = 6
_RIDGE = 1e-6
_LEAST_SLOPE = 1e-3

Numbers = NDArray[np.float64]


def fit(
    encoder: str,
    revision: str,
    reference: FloatArray,
    judged: Sequence[Judgements],
    fitted_on: str,
    base_rate: float = BASE_RATE,
) -> Calibration:
    """A calibration from vectors of pictures of all sorts [n, dim] and known answers.

    Every sort of query weighs the same, and every query within it.

    Raises:
        ValueError: no text queries or no picture queries.
    """
    background = background_of(reference)
    text, picture = (
        logistic_of(background, [one for one in judged if one.kind == kind], base_rate)
        for kind in ("text", "picture")
    )
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


def z_scores(background: Background, judged: Judgements) -> Numbers:
    """[n, m]: how many spreads each cosine is above what the query scores with any picture."""
    means, spreads = np.array([background.of(query) for query in judged.queries]).T
    scores: Numbers = (judged.cosines() - means[:, None]) / spreads[:, None]
    return scores


def logistic_of(background: Background, judged: Sequence[Judgements], base_rate: float) -> Logistic:
    """The curve over z-scores."""
    if not judged:
        raise ValueError("no queries to fit a curve on")
    scores, answers, weights = [], [], []
    for one in judged:
        known = one.fits >= 0
        scores.append(z_scores(background, one)[known])
        answers.append(one.fits[known] == FITS)
        weights.append(weights_of(one.fits, base_rate)[known] / len(judged))
    return fit_logistic(*(np.concatenate(parts) for parts in (scores, answers, weights)))


def fit_logistic(scores: Numbers, answers: NDArray[np.bool_], weights: Numbers) -> Logistic:
    """The most likely curve for weighted yes-or-no answers [n] at scores [n]: Newton's method.

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
    return Logistic(
        max(round(float(found[0]), _DIGITS), _LEAST_SLOPE), round(float(found[1]), _DIGITS)
    )


def _loss(features: Numbers, answers: NDArray[np.bool_], weights: Numbers, found: Numbers) -> float:
    logits = features @ found
    nats = np.logaddexp(0, np.where(answers, -logits, logits))
    return float(weights @ nats) + _RIDGE / 2 * float(found @ found)


def _sigmoid(logits: Numbers) -> Numbers:
    probabilities: Numbers = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    return probabilities
