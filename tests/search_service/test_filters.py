"""What a request's filter object may say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search_service.filters import (
    AnyMoment,
    AnyOf,
    Nearby,
    NumberRange,
    TimeRange,
    parse_filters,
)
from viewfinder.errors import InvalidRequest, UnknownFilterKey


@pytest.mark.parametrize(
    ("key", "value", "condition"),
    [
        ("tags", "cat", AnyOf("tags", ("cat",))),
        ("tags", ["cat", "dog"], AnyOf("tags", ("cat", "dog"))),
        ("width", 640, AnyOf("width", (640,))),
        ("width", {"gte": 10, "lt": 20.5}, NumberRange("width", gte=10, lt=20.5)),
        ("taken_at", "2026-05-01", AnyMoment("taken_at", ("2026-05-01T00:00:00Z",))),
        (
            "taken_at",
            {"gt": "2026-05-01T02:00:00+02:00"},
            TimeRange("taken_at", gt="2026-05-01T00:00:00Z"),
        ),
        ("location", {"lat": 1, "lon": 2, "radius_m": 3}, Nearby("location", 1, 2, 3)),
        ("metadata.mine", ["a", 1.5, True], AnyOf("metadata.mine", ("a", 1.5, True))),
        (
            "metadata.day",
            {"lte": "2026-05-01"},
            TimeRange("metadata.day", lte="2026-05-01T00:00:00Z"),
        ),
        ("metadata.n", {"lte": 3}, NumberRange("metadata.n", lte=3)),
    ],
)
def test_a_filter_becomes_a_typed_condition(key: str, value: Any, condition: object) -> None:
    assert parse_filters({key: value}) == (condition,)


@pytest.mark.parametrize(
    "key", ["colour", "", "metadata", "metadata.", 'metadata.a"b', "Tags", "metadata.\n", "_id"]
)
def test_an_unknown_key_is_refused_with_the_allowed_ones(key: str) -> None:
    with pytest.raises(UnknownFilterKey) as caught:
        parse_filters({key: "x"})
    assert caught.value.key == key
    assert "file_name" in caught.value.allowed
    assert "metadata.<name>" in caught.value.allowed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tags", 3),
        ("tags", None),
        ("tags", []),
        ("tags", ["a"] * 101),
        ("tags", "x" * 5000),
        ("tags", {"gte": "a"}),
        ("tags", ["a", 1]),
        ("width", "640"),
        ("width", True),
        ("width", math.nan),
        ("width", {"gte": math.inf}),
        ("width", {}),
        ("width", {"above": 3}),
        ("width", {"gte": "3"}),
        ("taken_at", "yesterday"),
        ("taken_at", 2026),
        ("taken_at", {"gte": 5}),
        ("location", "Ulm"),
        ("location", {"lat": 1, "lon": 2}),
        ("location", {"lat": 91, "lon": 2, "radius_m": 3}),
        ("location", {"lat": 1, "lon": 2, "radius_m": 0}),
        ("metadata.x", None),
        ("metadata.x", [["nested"]]),
        ("metadata.x", {"gte": "2026-05-01", "lt": 5}),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_naming_its_key(key: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_filters({key: value})
    assert caught.value.field == f"filters.{key}"


def test_too_many_conditions_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_filters({f"metadata.k{number}": number for number in range(33)})


def test_no_filter_is_no_condition() -> None:
    assert parse_filters({}) == ()
