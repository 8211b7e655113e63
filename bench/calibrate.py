"""Calibrates an encoder on datasets: embeds them, fits on one half, judges on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.calibration_fit import fit
from bench.calibration_queries import Split, fold_of, split_queries
from bench.calibration_table import Worth, worth
from bench.retrieval import embed_pictures, embed_texts
from bench.retrieval_dataset import read_dataset
from embedding_service.encoders.base import Encoder, FloatArray
from viewfinder.calibration import Calibration
from viewfinder.pixels import PixelPool


@dataclass(frozen=True, eq=False)
class Material:
    """A dataset as an encoder sees it; `pictures` float32 [n, dim] are all of it."""

    name: str
    pictures: FloatArray
    splits: tuple[Split, ...]


def read_material(
    path: Path, encoder: Encoder, pool: PixelPool, console: Console, limit: int | None = None
) -> Material:
    """Embed the pictures and queries of a dataset.

    Raises:
        DatasetProblem: it cannot be read, or says too little.
        ArithmeticError: the encoder made vectors that are not numbers.
    """
    dataset = read_dataset(path, limit=limit)
    embedded = embed_pictures(dataset, [encoder], pool, console)
    pictures = embedded.by_encoder[0]
    if not np.isfinite(pictures).all():
        raise ArithmeticError(f"{encoder.spec.name} makes vectors that are not numbers")
    for broken in embedded.broken:
        console.print(f"left out: {broken.path}: {broken.reason}", markup=False, soft_wrap=True)
    name = path.absolute().stem
    splits = split_queries(
        name, embedded.dataset, pictures, lambda texts: embed_texts(encoder, texts)
    )
    return Material(name, pictures, tuple(splits))


def folds_of(materials: Sequence[Material]) -> tuple[FloatArray, FloatArray]:
    """The pictures to fit on."""
    first, second = (
        np.concatenate([fold_of(one.pictures, fold) for one in materials]) for fold in (0, 1)
    )
    return first, second


def calibrate(
    encoder: str, revision: str, materials: Sequence[Material]
) -> tuple[Calibration, list[Worth]]:
    """Fit on one half of everything, and judge on the other."""
    splits = [split for one in materials for split in one.splits]
    names = ", ".join(f"{one.name} ({len(one.pictures):,} pictures)" for one in materials)
    folds = [split.folds for split in splits]
    calibration = fit(encoder, revision, folds_of(materials), folds, names)
    return calibration, worth(calibration, folds, [split.held_out for split in splits])
