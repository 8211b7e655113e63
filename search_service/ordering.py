"""The order of hits: the best first, or by time among the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from search_service.paging import Place
from search_service.vector_index import ScoredPoint
from search_service.wanted import Sort
from viewfinder.calibration import RelevanceCurve

CANDIDATES = 1000
"""So many of the best are sorted by time."""

SHARE_OF_BEST = 0.25
"""Those that are a quarter as relevant as the best one, where nothing else was asked for."""

PlaceOf = Callable[[ScoredPoint], Place]


def place_by(sort: Sort) -> PlaceOf:
    """What hits are sorted by, ascending."""
    if sort == "newest":
        return lambda hit: (-_moment(hit.payload, -math.inf), hit.id.int)
    if sort == "oldest":
        return lambda hit: (_moment(hit.payload, math.inf), hit.id.int)
    return by_score


def least_by_time(curve: RelevanceCurve, best: float) -> float:
    """The cosine below which a hit is too far behind the best one, by its cosine, to be sorted by
    time: the newest of all would come first, whatever it shows."""
    return curve.cosine_at(SHARE_OF_BEST * curve.of(best))


def by_score(hit: ScoredPoint) -> Place:
    """The best first."""
    return -hit.score, hit.id.int


def _moment(payload: Mapping[str, Any], unknown: float) -> float:
    """When it was taken, else when it was uploaded (seconds); what has neither comes last."""
    for key in ("taken_at", "uploaded_at"):
        text = payload.get(key)
        if isinstance(text, str):
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                continue
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return unknown
