"""Measures the shipped encoder `mini`: python -m bench.mini_eval --data ../shared/data.

It measures what users get: the packaged ONNX files, and pictures prepared by viewfinder.pixels.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from embedding_service.encoders.base import FloatArray, PixelArray
from embedding_service.encoders.mini import PACKAGED, MiniEncoder
from viewfinder.errors import ViewfinderError
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


def recall(texts: FloatArray, pictures: FloatArray, own: Sequence[int]) -> Recall:
    """Recall of texts [n, d] among pictures [m, d]; `own[i]` is the picture of text i."""
    scores = texts @ pictures.T
    best = scores[np.arange(len(texts)), own]
    ranks = (scores > best[:, None]).sum(1)
    percents = [float(np.mean(ranks < k) * 100) for k in (1, 5, 10)]
    return Recall(len(texts), len(pictures), *percents)


def embed_pictures(encoder: MiniEncoder, pool: PixelPool, paths: Sequence[Path]) -> FloatArray:
    """Vectors of all pictures [n, dim]. Raises the error of the first that cannot be read."""
    rows = []
    for start in track(range(0, len(paths), encoder.max_batch), description="pictures"):
        batch: list[PixelArray] = []
        for prepared in pool.prepare_many(
            paths[start : start + encoder.max_batch], encoder.spec.pixels
        ):
            if isinstance(prepared, ViewfinderError):
                raise prepared
            batch.append(prepared)
        rows.append(encoder.embed_images(np.stack(batch)))
    return np.concatenate(rows)


def measure_captions(encoder: MiniEncoder, pool: PixelPool, folder: Path) -> Recall:
    """Flickr8k dev: each of five captions a photo looks for its photo."""
    rows = [json.loads(line) for line in (folder / "dev.jsonl").read_text().splitlines()]
    pictures = embed_pictures(encoder, pool, [folder / "images" / row["image"] for row in rows])
    captions = [(caption, i) for i, row in enumerate(rows) for caption in row["captions"]]
    texts = encoder.embed_texts([caption for caption, _ in captions])
    return recall(texts, pictures, [i for _, i in captions])


def measure_names(encoder: MiniEncoder, pool: PixelPool, folder: Path) -> Recall:
    """ "a photo of a X" looks for the photo whose file name says X."""
    paths = sorted(folder.glob("*.jpg"))
    names = [path.stem.split("_", 1)[1].replace("_", " ") for path in paths]
    texts = encoder.embed_texts([f"a photo of a {name}" for name in names])
    return recall(texts, embed_pictures(encoder, pool, paths), range(len(paths)))


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
            captions=measure_captions(encoder, pool, flickr) if flickr.is_dir() else None,
            names=measure_names(encoder, pool, names) if names.is_dir() else None,
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
