"""One engine in a process of its own: built (`build`) or opened and asked (`ask`).

    python -m bench.engine_process build NAME FOLDER_TO_FILL ROOT
    python -m bench.engine_process ask NAME ROOT QUERIES

The last line on standard output is what was measured, as JSON; those before say how far it is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.engine_inputs import FILTERED_CATEGORY, TOP, categories_of, mapped_vectors
from bench.peers import Peer, open_peer
from bench.synthetic import BATCH, CATEGORIES

FloatArray = NDArray[np.float32]
_WARM_UP = 20
_EQUAL = 1e-5
_STEPS = 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Built:
    """What building took."""

    build_s: float
    disk_mib: float


@dataclass(frozen=True)
class Asked:
    """What a process that opened the engine and asked it measured.

    `memory_mib` is what it grew by, `mapped_mib` the part of it that is pages of files, which the
    system takes back when others need the memory.
    """

    open_s: float
    memory_mib: float
    mapped_mib: float
    p50_ms: float
    p95_ms: float
    recall: float
    filtered_p50_ms: float
    filtered_p95_ms: float
    filtered_recall: float


def build(name: str, place: Path, root: Path) -> Built:
    """Into the empty folder `place`."""
    count, dim = mapped_vectors(root).shape
    categories = categories_of(root)
    began = time.perf_counter()
    peer = open_peer(name, place, dim)
    for number, start in enumerate(range(0, count, BATCH)):
        if number % max(1, count // BATCH // _STEPS) == 0:
            print(f"building {name}: {start:,} of {count:,} vectors are in", flush=True)
        rows = slice(start, start + BATCH)
        peer.add(start, np.array(mapped_vectors(root)[rows]), categories[rows])
    print(f"building {name}: all vectors are in", flush=True)
    peer.build()
    build_s = time.perf_counter() - began
    peer.save()
    size = sum(file.stat().st_blocks * 512 for file in _files(place))
    return Built(build_s, size / 2**20)


def ask(name: str, root: Path, queries: int) -> Asked:
    """All queries, without and with the filter."""
    place, questions = root / f"engine-{name}", root / f"queries-{queries}"
    dim = mapped_vectors(root).shape[1]
    asked: FloatArray = np.load(questions / "queries.npy")
    _read_through(place)
    before = _own_memory()
    began = time.perf_counter()
    peer = open_peer(name, place, dim)
    open_s = time.perf_counter() - began
    found, ms = _answers(peer, asked, None)
    filtered, filtered_ms = _answers(peer, asked, CATEGORIES.index(FILTERED_CATEGORY))
    own, mapped = (after - then for after, then in zip(_own_memory(), before, strict=True))
    peer.close()
    truth, filtered_truth = (
        np.load(questions / f"{name}.npy") for name in ("truth", "filtered_truth")
    )
    return Asked(
        open_s,
        own / 2**20,
        mapped / 2**20,
        *_percentiles(ms),
        _recall(_scores(root, found, asked), truth),
        *_percentiles(filtered_ms),
        _recall(_scores(root, filtered, asked), filtered_truth),
    )


def _files(place: Path) -> list[Path]:
    return [file for file in place.rglob("*") if file.is_file()]


def _read_through(place: Path) -> None:
    """Nobody waits for the disk later, however long ago it was built."""
    for file in _files(place):
        with file.open("rb", buffering=0) as stream:
            while stream.read(_CHUNK):
                pass


def _answers(
    peer: Peer, queries: FloatArray, category: int | None
) -> tuple[list[Sequence[int]], list[float]]:
    """Rows that were found, and milliseconds."""
    for query in queries[:_WARM_UP]:
        peer.search(query, TOP, category)
    found, times = [], []
    for query in queries:
        began = time.perf_counter()
        rows = peer.search(query, TOP, category)
        times.append(1000 * (time.perf_counter() - began))
        found.append(rows)
    return found, times


def _scores(root: Path, found: Sequence[Sequence[int]], queries: FloatArray) -> list[FloatArray]:
    """Exact scores of what was found, best first: engines round theirs."""
    vectors = mapped_vectors(root)
    return [
        np.sort(vectors[np.asarray(rows, np.int64)] @ query)[::-1]
        for rows, query in zip(found, queries, strict=True)
    ]


def _recall(found: list[FloatArray], truth: FloatArray) -> float:
    shares = []
    for scores, true in zip(found, truth, strict=True):
        there = true[np.isfinite(true)]
        if len(there):
            shares.append(float((scores >= there[-1] - _EQUAL).sum()) / len(there))
    return float(np.mean(shares)) if shares else 1.0


def _own_memory() -> tuple[int, int]:
    """Bytes that are only this process's; bytes of files that it has mapped and touched."""
    process = psutil.Process()
    return int(process.memory_full_info().uss), int(process.memory_info().shared)


def _percentiles(ms: list[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(ms, (50, 95))
    return float(p50), float(p95)


def main(arguments: Sequence[str]) -> Built | Asked:
    """What is at the top of this file."""
    step, name, *others = arguments
    if step == "build":
        return build(name, Path(others[0]), Path(others[1]))
    return ask(name, Path(others[0]), int(others[1]))


if __name__ == "__main__":
    print(json.dumps(asdict(main(sys.argv[1:]))))
