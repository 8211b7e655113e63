"""Late interaction in two stages against comparing all: how much sooner, and how much is lost.

All is done with one thread, in one process of its own, on the same pages (see synthetic_pages.py).
Times are of the CPU, the best of three as timeit does it, and for every query each way is measured
in turn: a machine that is busy with something else says nearly the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.figures import Figures, machine, summary
from bench.synthetic_pages import PageQuery, PagesRecipe, SyntheticPages
from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.late import POOLED_ROWS, RERANKED, pool
from search_service.vector_index import IndexPoint, IndexQuery, ScoredPoint

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

AT = 10
_PAGES_A_CALL = 16
_ALIKE_GAIN = 1 / 3
_RETRIEVALS = 3  # matrices come out of the engine so slowly that few will do
_REPEATS = 3
_POOLED = (1, 4, 8, 16, 32)


@dataclass(frozen=True)
class LatePlan:
    """What to measure: so many queries of so many tokens."""

    recipe: PagesRecipe
    queries: int = 30
    tokens: int = 20
    options: EngineOptions = field(default_factory=EngineOptions)
    build: bool = False


@dataclass(frozen=True)
class LateRun:
    """CPU seconds of every query by way, and how good the ranking of each way is."""

    plan: LatePlan
    seconds: dict[str, list[float]]
    ndcg: dict[str, float]
    found: dict[str, float]
    memory: dict[str, float]

    @property
    def speedup(self) -> float:
        """How many times longer the engine takes to compare all: the median of the pairs."""
        return _ratio(self.seconds["engine_full"], self.seconds["engine_two_stages"])

    @property
    def kept(self) -> float:
        """NDCG@10 of two stages, as a share of that of comparing all."""
        return self.ndcg["engine_two_stages"] / self.ndcg["engine_full"]

    def figures(self) -> Figures:
        """Everything, flat."""
        recipe = self.plan.recipe
        figures: Figures = {
            "pages": recipe.pages,
            "rows": recipe.rows,
            "dim": recipe.dim,
            "tokens": self.plan.tokens,
            "queries": self.plan.queries,
            "pooled_rows": POOLED_ROWS,
            "reranked": RERANKED,
            "quantisation": self.plan.options.late_quantisation,
            "built": int(self.plan.build),
            "speedup": round(self.speedup, 2),
            "speedup_against_numpy": round(
                _ratio(self.seconds["numpy_full"], self.seconds["engine_two_stages"]), 2
            ),
            "ndcg_kept": round(self.kept, 4),
        }
        figures |= {f"{name}_ndcg10": round(value, 4) for name, value in self.ndcg.items()}
        figures |= {name: round(value, 4) for name, value in self.found.items()}
        for name, seconds in self.seconds.items():
            figures |= summary(f"{name}_cpu", seconds)
        figures |= {name: round(value, 1) for name, value in self.memory.items()}
        return figures | machine()


def measure_late(plan: LatePlan) -> LateRun:
    """Make the pages, and ask for them in every way, in a process with one thread.

    Raises:
        RuntimeError: it failed, for want of memory or of disk; the text says why.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.late", json.dumps(asdict(plan))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise RuntimeError(f"it ended with {done.returncode}: {last[-300:]}")
    return LateRun(plan=plan, **json.loads(done.stdout.rpartition("\n")[2] or done.stdout))


def measure_here(plan: LatePlan) -> LateRun:
    """The same in this process, with as many threads as it has."""
    with tempfile.TemporaryDirectory(prefix="viewfinder-late-") as folder:
        pages = _pages(SyntheticPages(plan.recipe))
        before = _memory()
        shard = EdgeShard(Path(folder) / "edge", plan.options, for_building=plan.build)
        try:
            _fill(shard, pages, plan)
            run = _measure(plan, pages, shard)
            memory = {f"memory_{kind}_mib": now - before[kind] for kind, now in _memory().items()}
            memory["disk_mib"] = _disk_mib(Path(folder))
            memory["numpy_mib"] = pages.nbytes / (1 << 20)
        finally:
            shard.close()
        return LateRun(plan, run.seconds, run.ndcg, run.found, memory)


def _measure(plan: LatePlan, pages: FloatArray, shard: EdgeShard) -> LateRun:
    source = SyntheticPages(plan.recipe)
    queries = [source.query(number, plan.tokens) for number in range(plan.queries)]
    pooled = {rows: np.stack([pool(page, rows) for page in pages]) for rows in _POOLED}
    seconds: dict[str, list[float]] = {}
    ndcg: dict[str, list[float]] = {}
    found: dict[str, list[float]] = {}

    def timed(name: str, ask: Callable[[], IntArray], repeats: int = _REPEATS) -> IntArray:
        took = []
        for _ in range(repeats):
            began = time.process_time()
            ranking = ask()
            took.append(time.process_time() - began)
        seconds.setdefault(name, []).append(min(took))
        return ranking

    ways: dict[str, Callable[[PageQuery], IntArray]] = {
        "numpy_full": lambda query: _best(max_sims(query.tokens, pages), AT),
        "engine_full": lambda query: _numbers(
            shard.search(IndexQuery(query.tokens, AT, exact=True, with_payload=False))
        ),
        "engine_two_stages": lambda query: _numbers(
            shard.search(IndexQuery(query.tokens, AT, with_payload=False))
        ),
    }
    for ask in ways.values():  # warm
        ask(queries[0])
    for query in queries:
        rankings = {name: timed(name, partial(ask, query)) for name, ask in ways.items()}
        truth = max_sims(query.tokens, pages)
        best = set(_best(truth, AT))
        for rows, means in pooled.items():
            first = _best(max_sims(query.tokens, means), RERANKED)
            name = f"numpy_pooled_{rows}"
            rankings[name] = first[np.argsort(-truth[first], kind="stable")][:AT]
            found.setdefault(f"{name}_of_true_10", []).append(len(best & set(first)) / len(best))
        for name, ranking in rankings.items():
            ndcg.setdefault(name, []).append(ndcg_of(ranking, query))
    first_ids = [UUID(int=int(one) + 1) for one in range(min(RERANKED, len(pages)))]
    for query in queries[:_RETRIEVALS]:
        timed("retrieve_and_numpy", partial(_retrieved, shard, first_ids, query), repeats=1)
    return LateRun(
        plan,
        seconds,
        {name: float(np.mean(values)) for name, values in ndcg.items()},
        {name: float(np.mean(values)) for name, values in found.items()},
        {},
    )


def max_sims(tokens: FloatArray, pages: FloatArray) -> FloatArray:
    """MaxSim [n] of a query [tokens, dim] and n pages [n, rows, dim]: one product of matrices."""
    count, rows, dim = pages.shape
    dots = (pages.reshape(-1, dim) @ tokens.T).reshape(count, rows, len(tokens))
    return np.asarray(dots.max(axis=1).sum(axis=1), dtype=np.float32)


def ndcg_of(ranking: Sequence[int] | IntArray, query: PageQuery, at: int = AT) -> float:
    """NDCG@`at` (Jarvelin, Kekalainen: TOIS 2002): the page gains 1, its document's others less."""
    gains = {query.page: 1.0, **dict.fromkeys(query.alike, _ALIKE_GAIN)}
    discounts = 1 / np.log2(np.arange(2, at + 2))
    ideal = sorted(gains.values(), reverse=True)[:at]
    got = [gains.get(int(one), 0.0) for one in ranking[:at]]
    return float(np.dot(got, discounts[: len(got)]) / np.dot(ideal, discounts[: len(ideal)]))


def _pages(source: SyntheticPages) -> FloatArray:
    recipe = source.recipe
    pages = np.empty((recipe.pages, recipe.rows, recipe.dim), np.float32)
    for number in range(recipe.pages):
        pages[number] = source.page(number)
    return pages


def _fill(shard: EdgeShard, pages: FloatArray, plan: LatePlan) -> None:
    shard.create(plan.recipe.dim, multi=True)
    for start in range(0, len(pages), _PAGES_A_CALL):
        some = pages[start : start + _PAGES_A_CALL]
        points = [IndexPoint(UUID(int=start + place + 1), {}) for place in range(len(some))]
        shard.upsert(points, list(some))
    shard.flush()
    if plan.build:
        shard.optimize()


def _retrieved(shard: EdgeShard, ids: Sequence[UUID], query: PageQuery) -> IntArray:
    """What it would take to rank outside of the engine."""
    records = shard.retrieve(ids)
    scores = [float((record.vector @ query.tokens.T).max(axis=0).sum()) for record in records]
    return _best(np.asarray(scores, dtype=np.float32), AT)


def _best(scores: FloatArray, count: int) -> IntArray:
    return np.argsort(-scores, kind="stable")[:count]


def _numbers(hits: Sequence[ScoredPoint]) -> IntArray:
    return np.asarray([hit.id.int - 1 for hit in hits], dtype=np.int64)


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    return float(np.median(np.asarray(slow) / np.asarray(fast)))


def _memory() -> dict[str, float]:
    """Of this process: its own, and of files that it has mapped; MiB."""
    told = psutil.Process().memory_full_info()
    shared = getattr(told, "shared", 0)
    return {"own": (told.rss - shared) / (1 << 20), "mapped": shared / (1 << 20)}


def _disk_mib(folder: Path) -> float:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_blocks * 512 for path in files) / (1 << 20)


def _plan_of(text: str) -> LatePlan:
    stored = json.loads(text)
    recipe = PagesRecipe(**stored.pop("recipe"))
    return LatePlan(recipe=recipe, options=EngineOptions(**stored.pop("options")), **stored)


if __name__ == "__main__":
    measured = asdict(measure_here(_plan_of(sys.argv[1])))
    measured.pop("plan")
    print(json.dumps(measured))
