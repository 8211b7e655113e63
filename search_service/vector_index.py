"""What a vector index is, in plain Python: the one face behind which an engine stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.filters import Condition

Vector = NDArray[np.float32]
Vectors: TypeAlias = Vector | Sequence[Vector]
"""Of n points: [n, dim], or of a multivector index n matrices [rows, dim], of various lengths."""
Payload = dict[str, Any]


class IndexFault(RuntimeError):
    """The engine failed in a way that no caller can mend; the message is the engine's own."""


class IndexUnusable(RuntimeError):
    """The index cannot be opened; the message is one line for whoever started the process."""


@dataclass(frozen=True)
class SparseVector:
    """Weights of the words of a text: `values[i]` belongs to the term `indices[i]`."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class IndexPoint:
    """What the index knows of one picture beside its vector."""

    id: UUID
    payload: Payload
    words: SparseVector | None = None


@dataclass(frozen=True, eq=False)
class IndexQuery:
    """What is looked for: the nearest to `vector` [dim], or, where that is None, the texts that
    have most of `words`.

    In a multivector index `vector` is [tokens, dim], and the score MaxSim; see late.py.

    `score_threshold` is a score: the cosine, or that of BM25. `exact`: without graph, first stage
    and quantisation. `ef`: as in EngineOptions, for this query only. `best`: so many of `limit`
    are wanted, the others only help to rank them, so they need no oversampling; None: all.
    """

    vector: Vector | None
    limit: int
    conditions: Sequence[Condition] = ()
    without: frozenset[UUID] = frozenset()
    score_threshold: float | None = None
    words: SparseVector | None = None
    exact: bool = False
    with_payload: bool = True
    with_vectors: bool = False
    ef: int | None = None
    best: int | None = None


class ScoredPoint(NamedTuple):
    """A point found, the best first. `score` is the cosine, or BM25's where words were looked for.

    `matched`: terms of the query's words that the point has too. `late`: MaxSim per token of the
    query, where that is known. A tuple, for a search makes hundreds of them: a frozen dataclass
    takes six times as long.
    """

    id: UUID
    score: float
    payload: Payload
    vector: Vector | None = None
    matched: tuple[int, ...] = ()
    late: float | None = None


@dataclass(frozen=True, eq=False)
class IndexRecord:
    """All that is stored of one point; `vector` [dim] is L2-normalised, or each of [rows, dim]."""

    id: UUID
    vector: Vector
    payload: Payload
    words: SparseVector | None = None


@dataclass(frozen=True)
class FacetCount:
    """How many points have this value."""

    value: str | int | float | bool
    count: int


@dataclass(frozen=True)
class IndexInfo:
    """`indexed`: a graph answers; false while search is exact. `building`: what is under way."""

    points: int
    indexed: bool
    building: str = ""


class VectorIndex(Protocol):
    """Vectors with payload, searched by cosine; or, `multi`, matrices of vectors, by MaxSim.

    A write is durable when it returns. Every method raises StorageFull when the disk is full or
    read-only and IndexFault when the engine fails otherwise. Vectors are float32, finite and not
    zero: callers have checked.
    """

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""

    async def create(self, dim: int, *, multi: bool = False) -> None:
        """Make an empty index for vectors of this length; what was there is lost."""

    async def upsert(self, points: Sequence[IndexPoint], vectors: Vectors) -> None:
        """Insert or replace; vectors[i] belongs to points[i]. `multi`: words are not kept."""

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace payload and words of those that exist; how many did."""

    async def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""

    async def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """The nearest that meet all conditions, best first."""

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there, in any order."""

    async def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those of the ids that are there: without vectors in a third of the time."""

    async def facet(
        self, key: str, conditions: Sequence[Condition], limit: int
    ) -> list[FacetCount]:
        """The most frequent values of a payload key among what meets the conditions."""

    async def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions."""

    async def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id, and where to go on; None at the end."""

    async def info(self) -> IndexInfo:
        """The state of the index."""

    async def close(self) -> None:
        """Write everything down and let go."""
