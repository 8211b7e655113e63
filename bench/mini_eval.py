"""Measures the shipped encoder `mini`: python -m bench.mini_eval --data ../shared/data.

It measures what users get: the packaged ONNX files, and pictures prepared by viewfinder.pixels.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.retrieval import NamedEncoder, evaluate
from bench.retrieval_dataset import (
    PROMPT,
    Dataset,
    DatasetProblem,
    captions_dataset,
    read_dataset,
)
from embedding_service.encoders.mini import PACKAGED, MiniEncoder
from viewfinder.pixels import PixelPool

QUERY = "two dogs play with a ball on the green grass"
TIMED_CALLS = 100


@dataclass(frozen=True)
class Recall:
    """Percent of queries whose picture is among the best 1, 5 and 10 of `pictures`."""

    queries: int
    pictures: int
    at_1: float
    at_5: float
    at_10: float


@dataclass(frozen=True)
class MiniFigures:
    """What docs/models/mini.md reports."""

    revision: str
    captions: Recall | None
    names: Recall | None
    text_ms: float
    picture_ms: float
    size_mb: float
    machine: str


def recall_of(dataset: Dataset, encoder: MiniEncoder, pool: PixelPool) -> Recall:
    """Recall, measured as `viewfinder eval retrieval` does.

    Raises:
        DatasetProblem: a picture cannot be read; these figures are compared over years.
    """
    found = evaluate(dataset, [NamedEncoder("mini", encoder)], pool, Console(stderr=True))
    if found.broken:
        raise DatasetProblem(f"{found.broken[0].path}: {found.broken[0].reason}")
    figures = found.judged[0].figures()
    return Recall(
        len(dataset.queries),
        len(dataset.pictures),
        *(figures[f"r_at_{k}"] for k in (1, 5, 10)),
    )


def captions_of(folder: Path) -> Dataset:
    """Flickr8k dev: each of five captions a photo looks for its photo."""
    return read_dataset(folder / "dev.jsonl")


def names_of(folder: Path) -> Dataset:
    """ "a photo of a X" looks for the photo whose file name says X."""
    paths = sorted(folder.glob("*.jpg"))
    names = [path.stem.split("_", 1)[1].replace("_", " ") for path in paths]
    return captions_dataset(
        (path, [PROMPT.format(name)]) for path, name in zip(paths, names, strict=True)
    )


def median_ms(call: Callable[[], object]) -> float:
    """The median time of one call."""
    times = []
    for _ in range(TIMED_CALLS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e3)


def measure(data: Path, model: Traversable = PACKAGED) -> MiniFigures:
    """All figures; recall only of the data sets that are there."""
    encoder = MiniEncoder(threads=1, model=model)
    encoder.warm_up()
    flickr, names = data / "flickr8k", data / "imagenet_names"
    size = encoder.spec.pixels.size
    pixels = np.random.default_rng(0).integers(0, 255, (1, size, size, 3), np.uint8)
    with PixelPool() as pool:
        return MiniFigures(
            revision=encoder.spec.revision,
            captions=recall_of(captions_of(flickr), encoder, pool) if flickr.is_dir() else None,
            names=recall_of(names_of(names), encoder, pool) if names.is_dir() else None,
            text_ms=median_ms(lambda: encoder.embed_texts([QUERY])),
            picture_ms=median_ms(lambda: encoder.embed_images(pixels)),
            size_mb=sum(len(file.read_bytes()) for file in model.iterdir()) / 1e6,
            machine=f"{platform.machine()}, one thread",
        )


def show(figures: MiniFigures) -> None:
    """Print the table."""
    table = Table("", "R@1", "R@5", "R@10", title=f"mini {figures.revision}")
    for title, found in (
        ("Flickr8k dev, captions", figures.captions),
        ("ImageNet names, a photo of a X", figures.names),
    ):
        if found is None:
            table.add_row(title, "no data", "", "")
        else:
            of = f"{title} ({found.queries:,} among {found.pictures:,})"
            table.add_row(of, *(f"{v:.1f}" for v in (found.at_1, found.at_5, found.at_10)))
    console = Console()
    console.print(table)
    console.print(
        f"text {figures.text_ms:.2f} ms, picture {figures.picture_ms:.1f} ms "
        f"({figures.machine}); {figures.size_mb:.1f} MB"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.mini_eval", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--model", type=Path, help="another folder than the packaged model")
    arguments = parser.parse_args()
    figures = measure(arguments.data, arguments.model or PACKAGED)
    show(figures)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")


if __name__ == "__main__":
    main()
