from typing import Any

import pytest

from viewfinder.cli.filters import parse_filters


@pytest.mark.parametrize(
    ("expressions", "filters"),
    [
        ([], {}),
        (["tags=holiday"], {"tags": "holiday"}),
        (["tags=a, b"], {"tags": ["a", "b"]}),
        (["width>=100", "width<200"], {"width": {"gte": 100, "lt": 200}}),
        (["taken_at>2024-01-01"], {"taken_at": {"gt": "2024-01-01"}}),
        (["metadata.price<=9.5"], {"metadata.price": {"lte": 9.5}}),
        (["metadata.sold=true"], {"metadata.sold": True}),
        (["tags!=toy"], {"tags": {"not": "toy"}}),
        (["tags!=toy,drawing"], {"tags": {"not": ["toy", "drawing"]}}),
        (["tags=cat", "tags!=toy"], {"tags": {"any": ["cat"], "not": "toy"}}),
        (["camera=*"], {"camera": {"exists": True}}),
        (["camera!=*"], {"camera": {"exists": False}}),
        (["width>=100", "width!=*"], {"width": {"gte": 100, "exists": False}}),
        (["page<3"], {"page": {"lt": 3}}),
        (
            ["location=47.4,8.5,5000"],
            {"location": {"lat": 47.4, "lon": 8.5, "radius_m": 5000}},
        ),
        (
            ["location!=48,5,45,10"],
            {"location": {"not": {"top": 48, "left": 5, "bottom": 45, "right": 10}}},
        ),
        (["file_name=a=b.jpg"], {"file_name": "a=b.jpg"}),
    ],
)
def test_filters_are_read(expressions: list[str], filters: dict[str, Any]) -> None:
    assert parse_filters(expressions) == filters


@pytest.mark.parametrize(
    "expression", ["tags", "=x", "tags=", "tags=,", "a b=c", "location=Ulm", "location=1,2"]
)
def test_what_is_no_filter_is_refused_and_named(expression: str) -> None:
    with pytest.raises(ValueError, match=r"write key=value"):
        parse_filters([expression])
