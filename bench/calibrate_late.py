"""Calibrates a document encoder: MaxSim per token of texts with pages, and what fits.

It is fitted like that of vectors (calibration_fit.py), on texts only, as one logistic curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.calibration_figures import CUT, Honesty, Probabilities, honesty
from bench.calibration_fit import BASE_RATE, Numbers, fit_logistic, weights_of
from bench.calibration_queries import FITS, Judgements, Split, split_queries
from bench.retrieval_dataset import Dataset, DatasetProblem, read_dataset
from embedding_service.encoders.base import FloatArray, MultiVectorEncoder
from viewfinder.errors import ViewfinderError
from viewfinder.late_calibration import LateCalibration
from viewfinder.pixels import PixelPool

_TEXTS = 16  # in one run of the encoder
_SCALE = 10.0  # cosines made as large as z-scores, for the sake of the fit's small ridge


@dataclass(frozen=True)
class LateWorth:
    """One sort of query, held out."""

    title: str
    queries: int
    pages: int
    honesty: Honesty


def read_splits(
    path: Path,
    encoder: MultiVectorEncoder,
    pool: PixelPool,
    console: Console,
    limit: int | None = None,
) -> list[Split]:
    """Embed the pages and queries of a dataset; a thousand pages take some 200 MB meanwhile.

    Raises:
        DatasetProblem: it cannot be read, or says too little.
        ArithmeticError: the encoder made what are no numbers.
    """
    dataset = read_dataset(path, limit=limit)
    pages: list[NDArray[np.float16]] = []
    kept: list[int] = []
    for number, picture in enumerate(track(dataset.pictures, "pages", console=console)):
        try:
            pixels = pool.prepare(picture, encoder.spec.pixels, picture.name)
        except ViewfinderError as error:
            console.print(f"left out: {picture}: {error.message}", markup=False, soft_wrap=True)
            continue
        (page,) = encoder.embed_images([pixels])
        if not np.isfinite(page).all():
            raise ArithmeticError(f"{encoder.spec.name} makes vectors that are not numbers")
        pages.append(page.astype(np.float16))
        kept.append(number)
    if not kept:
        raise DatasetProblem(f"none of {len(dataset.pictures)} pictures can be read")

    def scores(texts: Sequence[str]) -> FloatArray:
        rows = [
            [per_token(matrix, page.astype(np.float32)) for page in pages]
            for start in range(0, len(texts), _TEXTS)
            for matrix in encoder.embed_texts(texts[start : start + _TEXTS])
        ]
        return np.array(rows, np.float32)

    return splits_of(path.absolute().stem, dataset.only(kept), scores)


def per_token(text: FloatArray, page: FloatArray) -> float:
    """MaxSim of a text [tokens, dim] and a page [rows, dim], by token, as searches tell it."""
    return float((text @ page.T).max(axis=1).mean())


def splits_of(
    name: str, dataset: Dataset, scores: Callable[[Sequence[str]], FloatArray]
) -> list[Split]:
    """Texts as queries; `scores` gives what n of them score with all pages, float32 [n, pages]."""
    # What a query scores with every page stands for its vector, and a page for its own column: so
    # their products are the scores, and what splits queries of vectors splits these.
    columns = np.eye(len(dataset.pictures), dtype=np.float32)
    found = split_queries(name, dataset, columns, scores, needs={"text"})
    return [split for split in found if split.held_out.kind == "text"]


def calibrate_late(
    encoder: str, revision: str, splits: Sequence[Split], fitted_on: str
) -> tuple[LateCalibration, list[LateWorth]]:
    """Fit on one half of everything, and judge on the other."""
    judged = [fold for split in splits for fold in split.folds]
    answers = np.concatenate([one.fits[one.fits >= 0] == FITS for one in judged])
    weights = np.concatenate(
        [weights_of(one.fits, BASE_RATE)[one.fits >= 0] for one in judged]
    ) / len(judged)
    scores = np.concatenate([_scaled(one)[one.fits >= 0] for one in judged])
    curve, _ = fit_logistic(scores, answers, weights)
    made = LateCalibration(
        encoder, revision, BASE_RATE, round(_SCALE * curve.slope, 6), curve.intercept, fitted_on
    ).checked()
    said = by_late(made)
    return made, [
        LateWorth(
            split.held_out.title,
            len(split.held_out.queries),
            split.held_out.fits.shape[1],
            honesty(split.held_out, said, BASE_RATE),
        )
        for split in splits
    ]


def by_late(calibration: LateCalibration) -> Probabilities:
    """What it says, [n, m]."""
    unscaled = replace(calibration, slope=calibration.slope / _SCALE)

    def probabilities(judged: Judgements) -> Numbers:
        logits = np.clip(unscaled.slope * _scaled(judged) + unscaled.intercept, -700, 700)
        said: Numbers = 1 / (1 + np.exp(-logits))
        return said

    return probabilities


def show(console: Console, calibration: LateCalibration, found: Sequence[LateWorth]) -> None:
    """How honest it is, and what a cut-off does."""
    half = -calibration.intercept / calibration.slope
    console.print(
        f"Relevance of {calibration.encoder}: the probability that a page fits, where"
        f" {calibration.base_rate:.0%} of all pages fit; it is 0.5 at a MaxSim of {half:.3f} per"
        " token. Held-out queries and pages."
    )
    table = Table(box=None, pad_edge=False)
    titles = ("queries", "", "pages", "Brier %", "calibration error %", f"precision at {CUT}")
    for number, title in enumerate((*titles, "recall", "false of 1,000")):
        table.add_column(title, justify="right" if number else "left")
    for one in found:
        of = one.honesty
        table.add_row(
            one.title, f"{one.queries:,}", f"{one.pages:,}", f"{of.brier:.3f}", f"{of.ece:.2f}",
            f"{of.cut.precision:.2f}", f"{of.cut.recall:.2f}", f"{of.cut.false_per_1000:.1f}",
        )  # fmt: skip
    console.print(table)


def _scaled(judged: Judgements) -> Numbers:
    return _SCALE * judged.cosines().astype(np.float64)
