"""What a vector index is, in plain Python: the one face behind which an engine stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.filters import Condition

Vector = NDArray[np.float32]
Payload = dict[str, Any]


class IndexFault(RuntimeError):
    """The engine failed in a way that no caller can mend; the message is the engine's own."""


class IndexUnusable(RuntimeError):
    """The index cannot be opened; the message is one line for whoever started the process."""


@dataclass(frozen=True)
class IndexPoint:
    """What the index knows of one picture beside its vector."""

    id: UUID
    payload: Payload


@dataclass(frozen=True)
class ScoredPoint:
    """A point found, `score` the cosine."""

    id: UUID
    score: float
    payload: Payload


@dataclass(frozen=True)
class IndexInfo:
    """`indexed`: a graph answers; false while search is exact."""

    points: int
    indexed: bool


class VectorIndex(Protocol):
    """Vectors with payload, searched by cosine. Blocking; one thread at a time, but for `sync`.

    Every method raises StorageFull when the disk is full or read-only and IndexFault when the
    engine fails otherwise. Vectors are float32, finite and not zero: callers have checked.
    """

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""

    def create(self, dim: int) -> None:
        """Make an empty index for vectors of this length; what was there is lost."""

    def upsert(self, points: Sequence[IndexPoint], vectors: Vector) -> None:
        """Insert or replace; row i of `vectors` [n, dim] belongs to points[i]."""

    def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist; how many did."""

    def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""

    def sync(self) -> None:
        """Return once all that was written survives loss of power. Callable from any thread."""

    def search(
        self,
        vector: Vector,
        top_k: int,
        score_threshold: float | None,
        conditions: Sequence[Condition],
        without: UUID | None = None,
    ) -> list[ScoredPoint]:
        """The nearest to `vector` [dim] that meet all conditions, best first."""

    def vector_of(self, point_id: UUID) -> Vector | None:
        """The L2-normalised vector [dim] of this point, or None."""

    def count(self) -> int:
        """How many points there are."""

    def info(self) -> IndexInfo:
        """The state of the index."""

    def close(self) -> None:
        """Write everything down and let go of the files."""
