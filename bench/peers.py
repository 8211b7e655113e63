"""The engines that are compared, each behind the same few calls; rows are numbered from 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
M, EF_CONSTRUCT, _EF = 16, 200, 128

PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "edge": "qdrant_edge",
        "faiss_hnsw": "faiss",
        "usearch": "usearch",
        "qdrant_local": "qdrant_client",
    }
)
"""The module that each engine needs, by its name."""


class Peer(Protocol):
    """An engine, in one thread."""

    def add(self, start: int, vectors: FloatArray, categories: NDArray[np.int16]) -> None:
        """Rows start, start + 1, ... [n, dim]."""

    def build(self) -> None:
        """All rows are there."""

    def search(self, query: FloatArray, limit: int, category: int | None) -> Sequence[int]:
        """The nearest rows, those of one category only where one is given."""

    def save(self) -> None:
        """Onto the disk; it takes no more calls but `close`."""

    def close(self) -> None:
        """Lets go of the files."""


def open_peer(name: str, folder: Path, dim: int) -> Peer:
    """The engine that was saved in the folder, an empty one in an empty folder."""
    makers: dict[str, Callable[[Path, int], Peer]] = {
        "edge": EdgePeer,
        "faiss_hnsw": FaissPeer,
        "usearch": UsearchPeer,
        "qdrant_local": LocalPeer,
    }
    return makers[name](folder, dim)


class EdgePeer:
    """Qdrant Edge as search_service sets it: graph, int8 with rescoring, payload index."""

    def __init__(self, folder: Path, dim: int) -> None:
        from search_service.edge_shard import EdgeShard
        from search_service.engine_options import EngineOptions

        options = EngineOptions(m=M, ef_construct=EF_CONSTRUCT, ef=_EF)
        place = folder / "edge"
        is_new = not place.exists()
        # As search_service opens it, which builds by a process of its own.
        self._shard = EdgeShard(place, options, for_building=is_new)
        if is_new:
            self._shard.create(dim)

    def add(self, start: int, vectors: FloatArray, categories: NDArray[np.int16]) -> None:
        """With the category as payload."""
        from search_service.vector_index import IndexPoint

        points = [
            IndexPoint(UUID(int=start + i), {"category": str(category)})
            for i, category in enumerate(categories)
        ]
        self._shard.upsert(points, vectors)

    def build(self) -> None:
        """The graph."""
        self._shard.flush()
        self._shard.optimize()

    def search(self, query: FloatArray, limit: int, category: int | None) -> Sequence[int]:
        """Filtered by its payload index."""
        from search_service.filters import AnyOf
        from search_service.vector_index import IndexQuery

        conditions = [] if category is None else [AnyOf("category", (str(category),))]
        found = self._shard.search(IndexQuery(query, limit, conditions, with_payload=False))
        return [hit.id.int for hit in found]

    def save(self) -> None:
        """It is on the disk already."""
        self._shard.close()

    def close(self) -> None:
        """Of the shard."""
        self._shard.close()


class FaissPeer:
    """faiss IndexHNSWFlat; a filter is a selector that the walk through the graph asks."""

    def __init__(self, folder: Path, dim: int) -> None:
        import faiss

        self._faiss: Any = faiss
        faiss.omp_set_num_threads(1)
        self._file = folder / "index.faiss"
        self._categories = _Categories(folder)
        self._selectors: dict[int, Any] = {}
        if self._file.exists():
            self._index: Any = faiss.read_index(str(self._file))
        else:
            self._index = faiss.IndexHNSWFlat(dim, M, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = EF_CONSTRUCT

    def add(self, start: int, vectors: FloatArray, categories: NDArray[np.int16]) -> None:
        """Into the graph at once."""
        if self._index.ntotal != start:
            raise ValueError(f"rows come in order: {start} after {self._index.ntotal}")
        self._index.add(vectors)
        self._categories.add(categories)

    def build(self) -> None:
        """Adding has built it."""

    def search(self, query: FloatArray, limit: int, category: int | None) -> Sequence[int]:
        """Fewer than `limit` where the walk met fewer."""
        parameters = self._faiss.SearchParametersHNSW(efSearch=_EF)
        if category is not None:
            parameters.sel = self._selector(category)
        _, rows = self._index.search(query[None], limit, params=parameters)
        return [int(row) for row in rows[0] if row >= 0]

    def save(self) -> None:
        """One file, and the categories."""
        self._faiss.write_index(self._index, str(self._file))
        self._categories.save()

    def close(self) -> None:
        """It has read all there is."""

    def _selector(self, category: int) -> Any:
        if category not in self._selectors:
            is_in = self._categories.all == category
            self._selectors[category] = self._faiss.IDSelectorBitmap(
                np.packbits(is_in, bitorder="little")
            )
        return self._selectors[category]


class UsearchPeer:
    """usearch in bf16, which it is fastest in here. It has no filters in Python, so ten times as
    many are asked for and what does not fit is left out."""

    _TIMES = 10

    def __init__(self, folder: Path, dim: int) -> None:
        from usearch.index import Index

        self._file = folder / "index.usearch"
        self._index: Any = Index(
            ndim=dim,
            metric="cos",
            dtype="bf16",
            connectivity=M,
            expansion_add=EF_CONSTRUCT,
            expansion_search=_EF,
        )
        self._categories = _Categories(folder)
        if self._file.exists():
            self._index.load(str(self._file))

    def add(self, start: int, vectors: FloatArray, categories: NDArray[np.int16]) -> None:
        """Into the graph at once."""
        self._index.add(np.arange(start, start + len(vectors)), vectors, threads=1)
        self._categories.add(categories)

    def build(self) -> None:
        """Adding has built it."""

    def search(self, query: FloatArray, limit: int, category: int | None) -> Sequence[int]:
        """Fewer than `limit` where too few of the nearest are of the category."""
        wanted = limit if category is None else limit * self._TIMES
        rows = self._index.search(query, wanted, threads=1).keys.astype(np.int64)
        if category is not None:
            rows = rows[self._categories.all[rows] == category]
        return [int(row) for row in rows[:limit]]

    def save(self) -> None:
        """One file, and the categories."""
        self._index.save(str(self._file))
        self._categories.save()

    def close(self) -> None:
        """It has read all there is."""


class LocalPeer:
    """qdrant-client's local mode: Python, exact, on SQLite. A test double."""

    def __init__(self, folder: Path, dim: int) -> None:
        from qdrant_client import QdrantClient, models

        self._models: Any = models
        self._client: Any = QdrantClient(path=str(folder / "local"))
        if not self._client.collection_exists("peer"):
            vectors = models.VectorParams(size=dim, distance=models.Distance.COSINE)
            self._client.create_collection("peer", vectors_config=vectors)

    def add(self, start: int, vectors: FloatArray, categories: NDArray[np.int16]) -> None:
        """With the category as payload."""
        batch = self._models.Batch(
            ids=list(range(start, start + len(vectors))),
            vectors=vectors.tolist(),
            payloads=[{"category": str(category)} for category in categories],
        )
        self._client.upsert("peer", batch)

    def build(self) -> None:
        """There is no graph."""

    def search(self, query: FloatArray, limit: int, category: int | None) -> Sequence[int]:
        """Exact."""
        models = self._models
        wanted = None
        if category is not None:
            match = models.MatchValue(value=str(category))
            wanted = models.Filter(must=[models.FieldCondition(key="category", match=match)])
        found = self._client.query_points(
            "peer", query=query.tolist(), limit=limit, query_filter=wanted, with_payload=False
        )
        return [int(point.id) for point in found.points]

    def save(self) -> None:
        """It is on the disk already."""
        self._client.close()

    def close(self) -> None:
        """Of the client."""
        self._client.close()


class _Categories:
    """Beside an engine that keeps no payload: the category of each row."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "categories.npy"
        self._parts: list[NDArray[np.int16]] = []
        if self._file.exists():
            self._parts.append(np.load(self._file))

    def add(self, categories: NDArray[np.int16]) -> None:
        """Of the next rows."""
        self._parts.append(categories)

    @property
    def all(self) -> NDArray[np.int16]:
        """Of all rows."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def save(self) -> None:
        """One file."""
        np.save(self._file, self.all)
