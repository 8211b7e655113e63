"""Evaluates an encoder on a dataset: does a text find its picture?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from bench.datasets import Dataset, WrongDataset
from bench.figures import Figures
from bench.retrieval_metrics import Ranking, difference_interval, figures_of, rank
from embedding_service.encoders.base import Encoder, FloatArray, PixelArray
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool

_TEXTS_A_RUN = 32


@dataclass(frozen=True)
class Evaluation:
    """What came out for one encoder. `unreadable`: pictures left out, with the reason."""

    encoder: str
    dataset: Dataset
    ranking: Ranking
    unreadable: list[str]
    seconds: float

    @property
    def figures(self) -> Figures:
        """All figures by name."""
        return {
            "encoder": self.encoder,
            "dataset": self.dataset.name,
            "queries": len(self.dataset.questions),
            "pictures": len(self.dataset.pictures),
            "unreadable": len(self.unreadable),
            **{name: round(value, 4) for name, value in figures_of(self.ranking).items()},
            "seconds": round(self.seconds, 1),
        }


def evaluate(encoder: Encoder, dataset: Dataset, pool: PixelPool, console: Console) -> Evaluation:
    """Embed all pictures and texts, rank, count. Pictures that cannot be read are left out.

    Raises:
        WrongDataset: no picture can be read.
    """
    start = time.perf_counter()
    vectors, unreadable = embed_pictures(encoder, dataset.pictures, pool, console)
    if len(unreadable) == len(dataset.pictures):
        raise WrongDataset(f"no picture of {dataset.name} can be read: {unreadable[0][1]}")
    dataset = dataset.without({i for i, _ in unreadable})
    texts = embed_texts(encoder, [question.text for question in dataset.questions], console)
    return Evaluation(
        encoder=f"{encoder.spec.name}@{encoder.spec.revision}",
        dataset=dataset,
        ranking=rank(texts, vectors, dataset.questions),
        unreadable=[reason for _, reason in unreadable],
        seconds=time.perf_counter() - start,
    )


def embed_pictures(
    encoder: Encoder, pictures: Sequence[Path], pool: PixelPool, console: Console
) -> tuple[FloatArray, list[tuple[int, str]]]:
    """Vectors of those that can be read [n, dim], and index and reason of the others."""
    vectors: list[FloatArray] = []
    unreadable: list[tuple[int, str]] = []
    starts = range(0, len(pictures), encoder.max_batch)
    for start in track(starts, f"pictures, {encoder.spec.name}", console=console, transient=True):
        batch: list[PixelArray] = []
        paths = pictures[start : start + encoder.max_batch]
        for index, prepared in enumerate(pool.prepare_many(paths, encoder.spec.pixels), start):
            if isinstance(prepared, ViewfinderError):
                unreadable.append((index, f"{pictures[index]}: {prepared.message}"))
            else:
                batch.append(prepared)
        if batch:
            vectors.append(encoder.embed_images(np.stack(batch)))
    if not vectors:
        return np.zeros((0, encoder.spec.dim), np.float32), unreadable
    return np.concatenate(vectors), unreadable


def embed_texts(encoder: Encoder, texts: Sequence[str], console: Console) -> FloatArray:
    """Vectors of all texts [n, dim]."""
    starts = range(0, len(texts), _TEXTS_A_RUN)
    return np.concatenate(
        [
            encoder.embed_texts(texts[start : start + _TEXTS_A_RUN])
            for start in track(
                starts, f"texts, {encoder.spec.name}", console=console, transient=True
            )
        ]
    )


def compared(first: Evaluation, second: Evaluation) -> Figures:
    """Both, flat: `first_`, `second_`, and the difference of r_at_10 with its 95 % interval."""
    low, high = difference_interval(first.ranking, second.ranking)
    figures: Figures = {f"first_{name}": value for name, value in first.figures.items()}
    figures |= {f"second_{name}": value for name, value in second.figures.items()}
    ours, theirs = figures_of(first.ranking)["r_at_10"], figures_of(second.ranking)["r_at_10"]
    figures["difference_r_at_10"] = round(theirs - ours, 4)
    figures["difference_r_at_10_low"] = round(low, 4)
    figures["difference_r_at_10_high"] = round(high, 4)
    return figures
