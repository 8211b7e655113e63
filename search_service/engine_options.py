"""How vectors are kept and searched, whichever engine does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from search_service.metadata_keys import MetadataKind

_DENSE_SHARE = 0.5  # what a filter leaves of the points, up to which ef needs no widening
_WIDEST = 8.0

LateQuantisation: TypeAlias = Literal["none", "binary", "int8"]


@dataclass(frozen=True)
class EngineOptions:
    """How vectors are kept and searched.

    `ef`: candidates of a search in the graph. `oversampling`: how many times `limit` are found by
    int8 and ranked again by the full vectors. `scan_points`: when a filter leaves fewer, all of
    them are compared; a graph finds too little among so few. `min_free_bytes`: writes are refused
    below it; the engine writes through mapped files, and one that cannot grow kills the process.
    `late_*`: of the rows of pages, see late.py. `indexed_metadata`: see metadata_keys.py.
    """

    m: int = 16
    ef_construct: int = 200
    ef: int = 128
    int8: bool = True
    oversampling: float = 2.0
    vectors_on_disk: bool = False
    scan_points: int = 30_000
    search_threads: int = 1
    build_threads: int = 1
    min_free_bytes: int = 128 << 20
    late_quantisation: LateQuantisation = "none"
    late_on_disk: bool = True
    indexed_metadata: Mapping[str, MetadataKind] = field(default_factory=dict)

    def suiting(self, ef: int | None, limit: int, best: int | None) -> EngineOptions:
        """For a query with its own `ef`, that fetches `limit` of which `best` are wanted."""
        oversampling = self.oversampling
        if best is not None and best < limit:
            oversampling = max(1.0, oversampling * best / limit)
        return replace(self, ef=self.ef if ef is None else ef, oversampling=oversampling)

    def ef_among(self, matches: int, points: int) -> int | None:
        """Candidates of a search where a filter leaves `matches` of `points`; None: compare all.

        Few matches are compared all; among more, the sparser they are the more of the graph must
        be seen: at 1 M points and 10 % of them ef 128 found 87 %.
        """
        if matches <= self.scan_points:
            return None
        wider = _DENSE_SHARE * points / matches
        return round(self.ef * min(max(wider, 1.0), _WIDEST))
