"""How well an encoder finds pictures by text, and which of two finds them better."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.figures import Figures, machine
from bench.retrieval_dataset import Dataset, DatasetProblem
from bench.retrieval_metrics import (
    Difference,
    Ranking,
    by_query,
    differences,
    means,
    median_rank,
    rank,
)
from embedding_service.encoders.base import Encoder, EncoderSpec, FloatArray, PixelArray
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool, PixelSpec

_BATCH = 32
_TEXTS_A_CALL = 64


@dataclass(frozen=True)
class NamedEncoder:
    """An encoder and what tables call it."""

    title: str
    encoder: Encoder


@dataclass(frozen=True)
class BrokenPicture:
    """A picture that could not be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Embedded:
    """Vectors of the pictures that every encoder could have, and what was left out."""

    dataset: Dataset
    by_encoder: tuple[FloatArray, ...]  # of `dataset.pictures`, [m, dim] each
    seconds: tuple[float, ...]  # what each encoder took for them
    decoding_s: float
    broken: tuple[BrokenPicture, ...]


@dataclass(frozen=True)
class Judged:
    """One encoder's result."""

    title: str
    spec: EncoderSpec
    ranking: Ranking
    per_query: dict[str, FloatArray]
    images_s: float
    texts_s: float

    def figures(self) -> dict[str, float]:
        """What a table shows: percents, and the rest between 0 and 1."""
        return {**means(self.per_query), "median_rank": median_rank(self.ranking)}


@dataclass(frozen=True)
class Evaluation:
    """All that was found; `judged` has one encoder, or two that were compared."""

    dataset: Dataset
    judged: tuple[Judged, ...]
    broken: tuple[BrokenPicture, ...]
    decoding_s: float
    differences: dict[str, Difference]

    def figures(self) -> Figures:
        """Flat. Of two encoders they begin with `first_` and `second_`, and `difference_...` is
        second less first, with its interval from `..._low` to `..._high`."""
        flat: Figures = {
            "queries": len(self.dataset.queries),
            "pictures": len(self.dataset.pictures),
            "unreadable": len(self.broken),
            "decoding_s": round(self.decoding_s, 3),
        }
        prefixes = ("first_", "second_") if len(self.judged) > 1 else ("",)
        for prefix, judged in zip(prefixes, self.judged, strict=True):
            flat[f"{prefix}encoder"] = judged.title
            flat[f"{prefix}revision"] = judged.spec.revision
            flat |= {f"{prefix}{name}": round(v, 4) for name, v in judged.figures().items()}
            flat[f"{prefix}pictures_s"] = round(judged.images_s, 3)
            flat[f"{prefix}texts_s"] = round(judged.texts_s, 3)
        for name, found in self.differences.items():
            flat[f"difference_{name}"] = round(found.value, 4)
            flat[f"difference_{name}_low"] = round(found.low, 4)
            flat[f"difference_{name}_high"] = round(found.high, 4)
        return flat | machine()


def evaluate(
    dataset: Dataset, encoders: Sequence[NamedEncoder], pool: PixelPool, console: Console
) -> Evaluation:
    """Embed everything, rank all pictures for every query.

    Pictures are prepared as uploads are. One that cannot be read is left out for all encoders.

    Raises:
        DatasetProblem: none can be read.
        ArithmeticError: an encoder made vectors that are not numbers.
    """
    embedded = embed_pictures(dataset, [named.encoder for named in encoders], pool, console)
    dataset = embedded.dataset
    judged = []
    for named, vectors, images_s in zip(
        encoders, embedded.by_encoder, embedded.seconds, strict=True
    ):
        began = time.perf_counter()
        texts = embed_texts(named.encoder, [query.text for query in dataset.queries])
        texts_s = time.perf_counter() - began
        for made in (texts, vectors):
            if not np.isfinite(made).all():
                raise ArithmeticError(f"{named.title} makes vectors that are not numbers")
        ranking = rank(texts, vectors, dataset.queries)
        per_query = by_query(ranking)
        spec = named.encoder.spec
        judged.append(Judged(named.title, spec, ranking, per_query, images_s, texts_s))
    found: dict[str, Difference] = {}
    if len(judged) > 1:
        first, second = judged
        found = differences(first.per_query, second.per_query, first.ranking.groups)
    return Evaluation(dataset, tuple(judged), embedded.broken, embedded.decoding_s, found)


def embed_texts(encoder: Encoder, texts: Sequence[str]) -> FloatArray:
    """Vectors of all texts [n, dim]."""
    starts = range(0, len(texts), _TEXTS_A_CALL)
    return np.concatenate([encoder.embed_texts(texts[s : s + _TEXTS_A_CALL]) for s in starts])


def embed_pictures(
    dataset: Dataset, encoders: Sequence[Encoder], pool: PixelPool, console: Console
) -> Embedded:
    """Decode every picture once for each way in which the encoders want it, and embed it.

    Raises:
        DatasetProblem: none can be read.
    """
    specs = list(dict.fromkeys(encoder.spec.pixels for encoder in encoders))
    rows: list[list[FloatArray]] = [[] for _ in encoders]
    seconds = [0.0] * len(encoders)
    kept: list[int] = []
    broken: list[BrokenPicture] = []
    decoding_s = 0.0
    batch_size = min(_BATCH, *(encoder.max_batch for encoder in encoders))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("pictures", total=len(dataset.pictures))
        for start in range(0, len(dataset.pictures), batch_size):
            paths = dataset.pictures[start : start + batch_size]
            began = time.perf_counter()
            prepared = [_prepare(pool, path, specs) for path in paths]
            decoding_s += time.perf_counter() - began
            whole = []
            for number, (path, made) in enumerate(zip(paths, prepared, strict=True), start):
                if isinstance(made, str):
                    broken.append(BrokenPicture(path, made))
                else:
                    kept.append(number)
                    whole.append(made)
            for number, encoder in enumerate(encoders if whole else ()):
                which = specs.index(encoder.spec.pixels)
                began = time.perf_counter()
                rows[number].append(encoder.embed_images(np.stack([made[which] for made in whole])))
                seconds[number] += time.perf_counter() - began
            bar.advance(task, len(paths))
    if not kept:
        first = f"; the first, {broken[0].path}: {broken[0].reason}" if broken else ""
        raise DatasetProblem(f"none of {len(dataset.pictures)} pictures can be read{first}")
    vectors = tuple(np.concatenate(made) for made in rows)
    left = dataset if not broken else dataset.only(kept)
    return Embedded(left, vectors, tuple(seconds), decoding_s, tuple(broken))


def _prepare(pool: PixelPool, path: Path, specs: Sequence[PixelSpec]) -> list[PixelArray] | str:
    """The picture in each way, or why it cannot be had."""
    try:
        return [pool.prepare(path, spec) for spec in specs]
    except ViewfinderError as error:
        return error.message
    except OSError as error:
        return error.strerror or str(error)
