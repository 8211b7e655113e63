"""How much of the truth the graph finds: recall@10 against exact search, by ef, filtered too."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from bench.encoders import EncoderProblem
from bench.figures import Figures, machine
from bench.query_texts import varied
from embedding_service.encoder_loading import UnknownEncoder, load_encoder
from embedding_service.settings import EmbeddingSettings
from search_service.edge_index import EdgeIndex
from search_service.encoder_binding import EncoderBinding
from search_service.engine_options import EngineOptions
from search_service.filters import parse_filters
from search_service.index_folder import FolderLock
from search_service.recall import RECALL_AT, recall
from search_service.vector_index import IndexQuery, Vector
from viewfinder.settings import load_settings

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_NEVER = 1 << 62
_WARM_UP = 20
_NOBODY: frozenset[UUID] = frozenset()


class NothingToMeasure(Exception):
    """The folder holds no points; the text says which."""


@dataclass(frozen=True)
class RecallPlan:
    """`filters` by name; each is asked with all queries, at every ef."""

    queries: int = 200
    efs: tuple[int, ...] = (64, 128, 256)
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"off": {}})
    seed: int = 0


@dataclass(frozen=True)
class RecallRow:
    """Of one kind of query (text, vector), one filter and one ef; 0 is exact search itself.

    `recall` is None where no point meets the filter; `low` that of the worst query.
    """

    source: str
    filter_name: str
    ef: int
    recall: float | None
    low: float | None
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class RecallRun:
    """What was measured."""

    points: int
    dim: int
    graph: bool
    plan: RecallPlan
    rows: list[RecallRow]

    def lowest(self, ef: int) -> float:
        """The worst recall of all kinds of query and filters at this ef."""
        return min(row.recall for row in self.rows if row.ef == ef and row.recall is not None)

    def figures(self) -> Figures:
        """Everything, flat."""
        figures: Figures = {
            "vectors": self.points,
            "dim": self.dim,
            "graph": int(self.graph),
            "queries": self.plan.queries,
        }
        for row in self.rows:
            how = f"ef{row.ef}" if row.ef else "exact"
            name = f"{row.source}_filter_{_plain(row.filter_name)}_{how}"
            if row.ef and row.recall is not None and row.low is not None:
                figures[f"{name}_recall_at_{RECALL_AT}"] = round(row.recall, 4)
                figures[f"{name}_recall_min"] = round(row.low, 4)
            figures[f"{name}_p50_ms"] = round(row.p50_ms, 3)
            figures[f"{name}_p95_ms"] = round(row.p95_ms, 3)
        return figures | machine()


def measure_recall(
    data_dir: Path, plan: RecallPlan, options: EngineOptions, embed: Embed | None = None
) -> RecallRun:
    """Ask the index in `data_dir`, on which nothing may run.

    Raises:
        NothingToMeasure: there are no points. IndexUnusable: a service runs on it.
        EncoderProblem: the encoder of its vectors is not there.
    """
    index_dir = data_dir / "index"
    if not index_dir.is_dir():
        raise NothingToMeasure(f"there is no index in {data_dir}")
    lock = FolderLock(index_dir)
    try:
        return asyncio.run(_measure(index_dir, plan, options, embed))
    finally:
        lock.release()


async def _measure(
    index_dir: Path, plan: RecallPlan, options: EngineOptions, embed: Embed | None
) -> RecallRun:
    index = EdgeIndex(index_dir / "edge", options, build_above=_NEVER)
    try:
        info = await index.info()
        spec = EncoderBinding(index_dir / "encoder.json").spec
        if not info.points or spec is None or index.dim is None:
            raise NothingToMeasure(f"there are no points in {index_dir}")
        texts = list(itertools.islice(varied(plan.seed), plan.queries))
        embed = embed or _encoder(spec.name)
        queries = {
            "text": (np.concatenate([embed([text]) for text in texts]), [_NOBODY] * len(texts)),
            "vector": await _stored(index, plan),
        }
        rows = []
        for source, (vectors, without) in queries.items():
            for name, filters in plan.filters.items():
                asked = [
                    IndexQuery(
                        vector, RECALL_AT, parse_filters(filters), itself, with_payload=False
                    )
                    for vector, itself in zip(vectors, without, strict=True)
                ]
                rows += await _rows(index, source, name, asked, plan.efs)
        return RecallRun(info.points, index.dim, info.indexed, plan, rows)
    finally:
        await index.close()


async def _rows(
    index: EdgeIndex, source: str, name: str, queries: Sequence[IndexQuery], efs: Sequence[int]
) -> list[RecallRow]:
    truth, times = await _ask(index, [replace(query, exact=True) for query in queries])
    rows = [RecallRow(source, name, 0, 1.0, 1.0, *_percentiles(times))]
    for ef in efs:
        asked = [replace(query, ef=ef) for query in queries]
        await _ask(index, asked[:_WARM_UP])
        found, times = await _ask(index, asked)
        recalls = [
            share
            for scores, true in zip(found, truth, strict=True)
            if (share := recall(scores, true)) is not None
        ]
        mean = float(np.mean(recalls)) if recalls else None
        low = min(recalls) if recalls else None
        rows.append(RecallRow(source, name, ef, mean, low, *_percentiles(times)))
    return rows


async def _ask(
    index: EdgeIndex, queries: Sequence[IndexQuery]
) -> tuple[list[list[float]], list[float]]:
    """Scores of each query, and how many milliseconds each took."""
    scores, times = [], []
    for query in queries:
        began = time.perf_counter()
        hits = await index.search(query)
        times.append(1000 * (time.perf_counter() - began))
        scores.append([hit.score for hit in hits])
    return scores, times


async def _stored(index: EdgeIndex, plan: RecallPlan) -> tuple[Vector, list[frozenset[UUID]]]:
    """Vectors of points at random places of the order of ids, and the points themselves."""
    random = np.random.default_rng(plan.seed)
    vectors: list[Vector] = []
    ids: list[frozenset[UUID]] = []
    while len(ids) < plan.queries:
        page, _ = await index.scroll(UUID(bytes=random.bytes(16), version=4), 1)
        if not page:  # behind the last
            page, _ = await index.scroll(None, 1)
        vectors.append(page[0].vector)
        ids.append(frozenset({page[0].id}))
    return np.stack(vectors), ids


def _encoder(name: str) -> Embed:
    settings = load_settings(EmbeddingSettings).model_copy(update={"clip_vector_dim": 0})
    try:
        return load_encoder(settings, name).embed_texts
    except UnknownEncoder as problem:
        raise EncoderProblem(str(problem)) from problem


def _percentiles(ms: Sequence[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(ms, (50, 95))
    return float(p50), float(p95)


def _plain(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)
