"""The options of a search, as a Python program writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from viewfinder.api_models import GroupBy, SearchMode, Sort


class SearchOptions(TypedDict, total=False):
    """What every search can be told; see docs/searching.md. What is left out is not asked for.

    `filters`: key -> value, list of values (any of), or an object: {"gte": ..., "lt": ...},
    {"not": ...}, {"exists": True}, a place. `score_threshold` is a cosine, `min_relevance` the
    least probability that a picture fits, `collapse` the cosine from which pictures are the same.
    """

    top_k: int
    score_threshold: float
    min_relevance: float
    filters: Mapping[str, Any]
    weight: float
    negative: str | Sequence[str]
    examples: Sequence[Mapping[str, Any]]
    facets: Sequence[str]
    group_by: GroupBy | None
    collapse: float
    sort: Sort
    cursor: str | None
    exact: bool


class TextSearchOptions(SearchOptions, total=False):
    """What a search by words can be told besides.

    `mode`: "visual" by what pictures show, "hybrid" by names, tags and other words as well. With a
    vision model, `rerank` has it put the best `rerank_keep` first and `include_explanation` has it
    say why they were found; both take seconds.
    """

    mode: SearchMode
    rerank: bool
    rerank_keep: int
    include_explanation: bool


def asks_a_model(options: TextSearchOptions) -> bool:
    """Whether a vision model looks at the results."""
    return bool(options.get("rerank") or options.get("include_explanation"))


def as_json(options: SearchOptions) -> dict[str, Any]:
    """For the body of a request."""
    return {name: _plain(value) for name, value in options.items() if value is not None}


def as_form(options: Mapping[str, Any]) -> dict[str, str]:
    """For the fields of a form."""
    return {
        name: value if isinstance(value, str) else json.dumps(_plain(value))
        for name, value in options.items()
        if value is not None
    }


def as_parameters(options: SearchOptions) -> list[tuple[str, str]]:
    """For an address: lists are repeated, objects are JSON."""
    parameters: list[tuple[str, str]] = []
    for name, value in as_json(options).items():
        items = value if isinstance(value, list) else [value]
        parameters += [
            (name, item if isinstance(item, str) else json.dumps(item)) for item in items
        ]
    return parameters


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value
