"""What a request's filter object may say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from search_service.filters import (
    AnyMoment,
    AnyOf,
    Exists,
    InBox,
    Nearby,
    Not,
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
        ("document", "a.pdf", AnyOf("document", ("a.pdf",))),
        ("page", {"lte": 3}, NumberRange("page", lte=3)),
        ("camera", {"exists": True}, Exists("camera")),
        ("metadata.x", {"exists": False}, Not(Exists("metadata.x"))),
        ("tags", {"any": ["cat"]}, AnyOf("tags", ("cat",))),
        ("tags", {"not": "cat"}, Not(AnyOf("tags", ("cat",)))),
        ("width", {"not": [1, 2]}, Not(AnyOf("width", (1, 2)))),
        ("width", {"not": {"gte": 5}}, Not(NumberRange("width", gte=5))),
        ("camera", {"not": {"exists": True}}, Not(Exists("camera"))),
        ("camera", {"not": {"exists": False}}, Exists("camera")),
        (
            "taken_at",
            {"not": "2026-05-01"},
            Not(AnyMoment("taken_at", ("2026-05-01T00:00:00Z",))),
        ),
        (
            "location",
            {"not": {"lat": 1, "lon": 2, "radius_m": 3}},
            Not(Nearby("location", 1, 2, 3)),
        ),
        (
            "location",
            {"top": 50, "left": -5, "bottom": 40, "right": 10},
            InBox("location", 50, -5, 40, 10),
        ),
        (
            "location",
            {"top_left": {"lat": 50, "lon": 170}, "bottom_right": {"lat": 40, "lon": -170}},
            InBox("location", 50, 170, 40, -170),
        ),
        ("metadata.place", {"lat": 1, "lon": 2, "radius_m": 3}, Nearby("metadata.place", 1, 2, 3)),
    ],
)
def test_a_filter_becomes_a_typed_condition(key: str, value: Any, condition: object) -> None:
    assert parse_filters({key: value}) == (condition,)


def test_the_parts_of_one_object_must_all_hold() -> None:
    asked = {"tags": {"any": ["cat", "dog"], "not": "toy"}, "width": {"gte": 5, "exists": True}}
    assert parse_filters(asked) == (
        AnyOf("tags", ("cat", "dog")),
        Not(AnyOf("tags", ("toy",))),
        Exists("width"),
        NumberRange("width", gte=5),
    )


def test_a_box_keeps_off_the_poles_and_its_own_beginning() -> None:
    (box,) = parse_filters({"location": {"top": 90, "left": -180, "bottom": -90, "right": 180}})
    assert isinstance(box, InBox)
    assert 89.9999 < box.top < 90
    assert -90 < box.bottom < -89.9999
    assert -180 < box.left < -179.9999
    assert 179.9999 < box.right < 180


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
        ("location", {"lat": 1, "lon": 2, "radius_m": 3e7}),
        ("location", {"top": 1, "left": 2, "bottom": 3, "right": 4}),
        ("location", {"top": 3, "left": 2, "bottom": 1, "right": 2}),
        ("location", {"top": 3, "left": 2, "bottom": 1}),
        ("location", {"top": 91, "left": 2, "bottom": 1, "right": 4}),
        ("location", {"top_left": {"lat": 3, "lon": 2}, "bottom_right": {"lat": 1}}),
        ("location", {"top_left": {"lat": 3, "lon": 2}, "top": 1}),
        ("location", {"gte": 1}),
        ("tags", {"lat": 1, "lon": 2, "radius_m": 3}),
        ("tags", {"any": "cat"}),
        ("tags", {"any": []}),
        ("tags", {"exists": "yes"}),
        ("tags", {"exists": None}),
        ("tags", {"not": None}),
        ("tags", {"not": {}}),
        ("tags", {"not": {"not": "cat"}}),
        ("width", {"not": {"gte": 1, "exists": True}}),
        ("width", {"not": "1"}),
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
