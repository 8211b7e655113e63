"""Other engines beside ours: the same vectors, payload and queries, one after the other.

Every engine runs in a process of its own, so that memory is its own, with one thread, and is asked
for the ten nearest, without and with a filter that 2 % of the points meet. Graphs have m=16 and
ef_construct=200 and are searched with ef=128, as ours. An engine whose package is missing is named
and left out: pip install 'viewfinder[bench]'.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.figures import Figures, machine
from bench.peers import PACKAGES, Peer, open_peer
from bench.query_texts import varied
from bench.synthetic import BATCH, CATEGORIES, Recipe, SyntheticCollection
from bench.synthetic_encoder import MakeEncoder, encoder_of

FloatArray = NDArray[np.float32]
TOP = 10
FILTERED_CATEGORY = CATEGORIES[0]
_WARM_UP = 20
_EQUAL = 1e-5
_LOCAL_MODE_MOST = 100_000


@dataclass(frozen=True)
class PeerRow:
    """What one engine did; memory is what its process grew by."""

    name: str
    build_s: float
    memory_mib: float
    disk_mib: float
    p50_ms: float
    p95_ms: float
    recall: float
    filtered_p50_ms: float
    filtered_p95_ms: float
    filtered_recall: float


@dataclass(frozen=True)
class PeerRun:
    """`skipped`: reasons by name."""

    recipe: Recipe
    queries: int
    rows: list[PeerRow]
    skipped: dict[str, str]

    def figures(self) -> Figures:
        """Everything, flat."""
        figures: Figures = {
            "vectors": self.recipe.count,
            "dim": self.recipe.dim,
            "kind": self.recipe.kind,
            "queries": self.queries,
        }
        for row in self.rows:
            values = {name: value for name, value in asdict(row).items() if name != "name"}
            figures |= {f"{row.name}_{name}": round(value, 4) for name, value in values.items()}
        figures |= {f"{name}_skipped": reason for name, reason in self.skipped.items()}
        return figures | machine()


def measure_peers(
    recipe: Recipe,
    queries: int,
    told: Callable[[str], None],
    packages: Mapping[str, str] = PACKAGES,
    make_encoder: MakeEncoder = encoder_of,
) -> PeerRun:
    """Build and ask each; `told` hears what is under way."""
    rows, skipped = [], {}
    with tempfile.TemporaryDirectory(prefix="viewfinder-peers-") as folder:
        told("vectors")
        _write_inputs(Path(folder), recipe, queries, make_encoder)
        for name, package in packages.items():
            if importlib.util.find_spec(package) is None:
                skipped[name] = f"{package} is not installed"
            elif name == "qdrant_local" and recipe.count > _LOCAL_MODE_MOST:
                skipped[name] = f"a test double, not made for more than {_LOCAL_MODE_MOST:,} points"
            else:
                told(name)
                rows.append(_in_a_process(name, Path(folder)))
    return PeerRun(recipe, queries, rows, skipped)


def _write_inputs(folder: Path, recipe: Recipe, queries: int, make_encoder: MakeEncoder) -> None:
    encoder = make_encoder(recipe.dim)
    collection = SyntheticCollection(recipe, encoder.embed_texts)
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", "w+", np.float32, (recipe.count, recipe.dim)
    )
    categories = np.zeros(recipe.count, np.int16)
    done = 0
    for batch in collection.batches():
        rows = slice(done, done + len(batch.points))
        vectors[rows] = batch.vectors
        categories[rows] = [CATEGORIES.index(point.payload["category"]) for point in batch.points]
        done = rows.stop
    vectors.flush()
    texts = varied(recipe.seed)
    asked = np.concatenate([encoder.embed_texts([next(texts)]) for _ in range(queries)])
    np.save(folder / "categories.npy", categories)
    np.save(folder / "queries.npy", asked)
    wanted = CATEGORIES.index(FILTERED_CATEGORY)
    np.save(folder / "truth.npy", _truth(vectors, asked, None))
    np.save(folder / "filtered_truth.npy", _truth(vectors, asked, categories == wanted))


def _truth(vectors: FloatArray, queries: FloatArray, mask: NDArray[np.bool_] | None) -> FloatArray:
    """Scores of the TOP best [queries, TOP], by brute force, a batch of vectors at a time."""
    best = np.full((len(queries), TOP), -np.inf, np.float32)
    for start in range(0, len(vectors), BATCH):
        scores = queries @ vectors[start : start + BATCH].T
        if mask is not None:
            scores[:, ~mask[start : start + BATCH]] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        best = -np.sort(-np.partition(both, -TOP, axis=1)[:, -TOP:], axis=1)
    return best


def _in_a_process(name: str, folder: Path) -> PeerRow:
    done = subprocess.run(
        [sys.executable, "-m", "bench.engines", name, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=_one_thread(),
    )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise RuntimeError(f"{name} failed: {last or done.returncode}")
    return PeerRow(**json.loads(done.stdout.rpartition("\n")[2] or done.stdout))


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def measure_peer(name: str, folder: Path) -> PeerRow:
    """One engine, in this process."""
    count, dim = _mapped(folder).shape
    categories: NDArray[np.int16] = np.load(folder / "categories.npy")
    queries: FloatArray = np.load(folder / "queries.npy")
    wanted = CATEGORIES.index(FILTERED_CATEGORY)
    place = folder / f"engine-{name}"
    place.mkdir()
    before = _own_memory()
    began = time.perf_counter()
    peer = open_peer(name, place, dim)
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        peer.add(start, np.array(_mapped(folder)[rows]), categories[rows])
    peer.build()
    build_s = time.perf_counter() - began
    plain = _ask(peer, queries, None)
    filtered = _ask(peer, queries, wanted)
    memory = _own_memory() - before
    peer.save()
    size = sum(file.stat().st_blocks * 512 for file in place.rglob("*") if file.is_file())
    truth, filtered_truth = np.load(folder / "truth.npy"), np.load(folder / "filtered_truth.npy")
    return PeerRow(
        name,
        build_s,
        memory / 2**20,
        size / 2**20,
        *_percentiles(plain[1]),
        _recall(_scores(folder, plain[0], queries), truth),
        *_percentiles(filtered[1]),
        _recall(_scores(folder, filtered[0], queries), filtered_truth),
    )


def _ask(
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


def _scores(folder: Path, found: Sequence[Sequence[int]], queries: FloatArray) -> list[FloatArray]:
    """Exact scores of what was found, best first: engines round theirs."""
    vectors = _mapped(folder)
    return [
        np.sort(vectors[np.asarray(rows, np.int64)] @ query)[::-1]
        for rows, query in zip(found, queries, strict=True)
    ]


def _mapped(folder: Path) -> FloatArray:
    """Opened anew each time: what stays mapped counts as this process's memory."""
    vectors: FloatArray = np.load(folder / "vectors.npy", mmap_mode="r")
    return vectors


def _recall(found: list[FloatArray], truth: FloatArray) -> float:
    shares = []
    for scores, true in zip(found, truth, strict=True):
        there = true[np.isfinite(true)]
        if len(there):
            shares.append(float((scores >= there[-1] - _EQUAL).sum()) / len(there))
    return float(np.mean(shares)) if shares else 1.0


def _own_memory() -> int:
    """Bytes that are only this process's."""
    return int(psutil.Process().memory_full_info().uss)


def _percentiles(ms: list[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(ms, (50, 95))
    return float(p50), float(p95)


if __name__ == "__main__":
    print(json.dumps(asdict(measure_peer(sys.argv[1], Path(sys.argv[2])))))
