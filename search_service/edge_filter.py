"""Conditions as Qdrant Edge wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge

from search_service.filters import (
    AnyMoment,
    AnyOf,
    Condition,
    Exists,
    FieldCondition,
    InBox,
    Nearby,
    Not,
    NumberRange,
    TimeRange,
)
from search_service.metadata_keys import paths_of


def edge_filter(conditions: Sequence[Condition], without: frozenset[UUID] = frozenset()) -> Any:
    """The filter that all conditions make together, or None when there is nothing to filter."""
    if not conditions and not without:
        return None
    return edge.Filter(
        must=[_one(condition) for condition in conditions] or None,
        must_not=[edge.HasIdCondition(set(without))] if without else None,
    )


def _one(condition: Condition) -> Any:
    if isinstance(condition, Not):
        return edge.Filter(must_not=[_one(condition.condition)])
    alternatives = [
        field for path in paths_of(condition.key) for field in _field_conditions(path, condition)
    ]
    return alternatives[0] if len(alternatives) == 1 else edge.Filter(should=alternatives)


def _field_conditions(path: str, condition: FieldCondition) -> list[Any]:
    """Field conditions of which one must hold."""
    match condition:
        case AnyOf(values=values):
            return _any_of(path, values)
        case AnyMoment(moments=moments):
            return [_times(path, gte=moment, lte=moment) for moment in moments]
        case NumberRange(gte=gte, gt=gt, lte=lte, lt=lt):
            bounds = edge.RangeFloat(gte=gte, gt=gt, lte=lte, lt=lt)
            return [edge.FieldCondition(key=path, range=bounds)]
        case TimeRange(gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time):
            return [_times(path, gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time)]
        case Nearby(latitude=latitude, longitude=longitude, radius_m=radius_m):
            circle = edge.GeoRadius(edge.GeoPoint(lon=longitude, lat=latitude), radius_m)
            return [edge.FieldCondition(key=path, geo_radius=circle)]
        case InBox():
            boxes = [_box(half) for half in condition.halves()]
            return [edge.FieldCondition(key=path, geo_bounding_box=box) for box in boxes]
        case Exists():
            return [edge.Filter(must_not=[edge.IsEmptyCondition(path)])]


def _box(box: InBox) -> Any:
    return edge.GeoBoundingBox(
        edge.GeoPoint(lon=box.left, lat=box.top), edge.GeoPoint(lon=box.right, lat=box.bottom)
    )


def _times(path: str, **bounds: str | None) -> Any:
    return edge.FieldCondition(key=path, range=edge.RangeDateTime(**bounds))


def _any_of(path: str, values: Sequence[str | bool | float]) -> list[Any]:
    conditions = []
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == 1:  # in half the time of any of one
        match = edge.MatchValue(value=texts[0])
        conditions.append(edge.FieldCondition(key=path, match=match))
    elif texts:
        conditions.append(edge.FieldCondition(key=path, match=edge.MatchAny(any=texts)))
    for value in values:
        if isinstance(value, bool):
            # Python's True would be taken for the integer 1; numpy's is no integer.
            match = edge.MatchValue(value=np.bool_(value))  # type: ignore[arg-type]
            conditions.append(edge.FieldCondition(key=path, match=match))
        elif not isinstance(value, str):
            # A range, since matching knows no fractions.
            exactly = edge.RangeFloat(gte=value, lte=value)
            conditions.append(edge.FieldCondition(key=path, range=exactly))
    return conditions
