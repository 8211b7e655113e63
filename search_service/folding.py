"""Several pictures as one hit: pages of a document, or pictures that look the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import numpy as np

from search_service.vector_index import ScoredPoint, Vector
from search_service.wanted import Wanted


@dataclass(frozen=True)
class GroupPage:
    """Another page of a document that was found; `number` 0: not known."""

    id: UUID
    score: float
    number: int


@dataclass
class Found:
    """A hit, and what it stands for beside itself."""

    point: ScoredPoint
    same_ids: Sequence[UUID] = ()
    pages: Sequence[GroupPage] = ()


class Folding(Protocol):
    """Decides, best first, whose hit a picture belongs to."""

    def owner_of(self, hit: ScoredPoint) -> Found | None:
        """The hit that this one is the same as; None: it stands for itself."""

    def add(self, found: Found) -> None:
        """A hit that others can be the same as."""


class Collapsing:
    """Pictures whose cosine to a better hit is at least `threshold` are the same as that."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._found: list[Found] = []
        self._vectors: Vector | None = None  # [capacity, dim], the first len(_found) rows used

    def owner_of(self, hit: ScoredPoint) -> Found | None:
        """The best of those it looks the same as, as greedy as they come."""
        if self._vectors is None or hit.vector is None:
            return None
        cosines = self._vectors[: len(self._found)] @ hit.vector
        alike = np.flatnonzero(cosines >= self._threshold)
        return self._found[int(alike[0])] if alike.size else None

    def add(self, found: Found) -> None:
        """See Folding."""
        vector = found.point.vector
        if vector is None:
            return
        count = len(self._found)
        if self._vectors is None:
            self._vectors = np.zeros((64, len(vector)), dtype=np.float32)
        elif count == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
        self._vectors[count] = vector
        self._found.append(found)


class Grouping:
    """Pages belong to the first hit of their document; a picture without one to itself."""

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}

    def owner_of(self, hit: ScoredPoint) -> Found | None:
        """The hit of its document."""
        document = document_of(hit)
        return self._found.get(document) if document else None

    def add(self, found: Found) -> None:
        """See Folding."""
        document = document_of(found.point)
        if document:
            self._found.setdefault(document, found)


class Both:
    """First by document, then by looks."""

    def __init__(self, grouping: Grouping, collapsing: Collapsing) -> None:
        self._ways: tuple[Folding, ...] = (grouping, collapsing)

    def owner_of(self, hit: ScoredPoint) -> Found | None:
        """See Folding."""
        for way in self._ways:
            owner = way.owner_of(hit)
            if owner is not None:
                return owner
        return None

    def add(self, found: Found) -> None:
        """See Folding."""
        for way in self._ways:
            way.add(found)


def folding_of(wanted: Wanted) -> Folding | None:
    """What this search asks for; None: every picture is a hit."""
    if wanted.group_by and wanted.collapse:
        return Both(Grouping(), Collapsing(wanted.collapse))
    if wanted.group_by:
        return Grouping()
    return Collapsing(wanted.collapse) if wanted.collapse else None


def document_of(hit: ScoredPoint) -> str:
    """The document that it is a page of; empty: of none."""
    document: Any = hit.payload.get("document")
    return document if isinstance(document, str) else ""


def page_of(hit: ScoredPoint) -> GroupPage:
    """It as a page of its document."""
    number = hit.payload.get("page")
    known = isinstance(number, int) and not isinstance(number, bool) and number > 0
    return GroupPage(hit.id, hit.score, int(number or 0) if known else 0)
