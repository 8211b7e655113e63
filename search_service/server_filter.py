"""Conditions as a Qdrant server wants them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from qdrant_client import models

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


def server_filter(
    conditions: Sequence[Condition], without: frozenset[UUID] = frozenset()
) -> models.Filter | None:
    """The filter that all conditions make together, or None when there is nothing to filter."""
    if not conditions and not without:
        return None
    return models.Filter(
        must=[_one(condition) for condition in conditions] or None,
        must_not=[has_id(without)] if without else None,
    )


def has_id(ids: Sequence[UUID] | frozenset[UUID]) -> models.HasIdCondition:
    """These points only."""
    return models.HasIdCondition(has_id=[str(one) for one in ids])


def _one(condition: Condition) -> models.Condition:
    if isinstance(condition, Not):
        return models.Filter(must_not=[_one(condition.condition)])
    alternatives = [
        field for path in paths_of(condition.key) for field in _field_conditions(path, condition)
    ]
    return alternatives[0] if len(alternatives) == 1 else models.Filter(should=alternatives)


def _field_conditions(path: str, condition: FieldCondition) -> list[Any]:
    """Conditions of which one must hold."""
    match condition:
        case AnyOf(values=values):
            return _any_of(path, values)
        case AnyMoment(moments=moments):
            return [_times(path, gte=moment, lte=moment) for moment in moments]
        case NumberRange(gte=gte, gt=gt, lte=lte, lt=lt):
            bounds = models.Range(gte=gte, gt=gt, lte=lte, lt=lt)
            return [models.FieldCondition(key=path, range=bounds)]
        case TimeRange(gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time):
            return [_times(path, gte=gte_time, gt=gt_time, lte=lte_time, lt=lt_time)]
        case Nearby(latitude=latitude, longitude=longitude, radius_m=radius_m):
            center = models.GeoPoint(lon=longitude, lat=latitude)
            circle = models.GeoRadius(center=center, radius=radius_m)
            return [models.FieldCondition(key=path, geo_radius=circle)]
        case InBox():
            boxes = [_box(half) for half in condition.halves()]
            return [models.FieldCondition(key=path, geo_bounding_box=box) for box in boxes]
        case Exists():
            empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=path))
            return [models.Filter(must_not=[empty])]


def _box(box: InBox) -> models.GeoBoundingBox:
    return models.GeoBoundingBox(
        top_left=models.GeoPoint(lon=box.left, lat=box.top),
        bottom_right=models.GeoPoint(lon=box.right, lat=box.bottom),
    )


def _times(path: str, **bounds: str | None) -> models.FieldCondition:
    moments = {
        bound: None if moment is None else datetime.fromisoformat(moment)
        for bound, moment in bounds.items()
    }
    return models.FieldCondition(key=path, range=models.DatetimeRange(**moments))


def _any_of(path: str, values: Sequence[str | bool | float]) -> list[Any]:
    conditions = []
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == 1:  # the same engine as the embedded one, where this takes half the time
        only = models.MatchValue(value=texts[0])
        conditions.append(models.FieldCondition(key=path, match=only))
    elif texts:
        conditions.append(models.FieldCondition(key=path, match=models.MatchAny(any=texts)))
    for value in values:
        if isinstance(value, bool):
            match = models.MatchValue(value=value)
            conditions.append(models.FieldCondition(key=path, match=match))
        elif not isinstance(value, str):
            # A range, since matching knows no fractions.
            exactly = models.Range(gte=value, lte=value)
            conditions.append(models.FieldCondition(key=path, range=exactly))
    return conditions
