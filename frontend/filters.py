"""The filters of a search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from viewfinder.api_models import SearchMode, Sort

_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIC": "image/heic",
    "AVIF": "image/avif",
    "PDF": "application/pdf",
}
_UNSET: dict[str, Any] = {
    "filter-tags": [],
    "filter-types": [],
    "since": None,
    "until": None,
    "least-relevance": 0,
    "least-score": 0.0,
    "mode": "auto",
    "without": "",
    "sort": "best",
    "alike-once": False,
}
_MODES: dict[SearchMode, str] = {
    "auto": "As it fits",
    "visual": "What pictures show",
    "hybrid": "Words in them, names and tags too",
    "document": "Pages of documents only",
    "description": "Descriptions of them only",
}
_UNORDERED = ("document", "description")
_SORTS: dict[str, Sort] = {"best": "relevance", "newest": "newest", "oldest": "oldest"}
_ALIKE = 0.95
"""Cosine from which pictures are shown once."""


@dataclass(frozen=True)
class Wanted:
    """What the controls ask for; relevance is a probability, score a cosine."""

    filters: dict[str, Any]
    least_relevance: float
    least_score: float
    mode: SearchMode = "auto"
    negative: str = ""
    sort: Sort = "relevance"
    collapse: float = 0.0


def filter_controls(*, used: bool) -> Wanted:
    """The controls, and what they ask for.

    `used`: whether what the page shows now is filtered by them.
    """
    active = sum(st.session_state.get(key, unset) != unset for key, unset in _UNSET.items())
    label = f"Filters ({active})" if active else "Filters"
    with st.popover(label, icon=":material/tune:", key="filters"):
        if not used:
            st.caption("For searches: describe a picture to use them.")
        mode = st.selectbox(
            "Search by", options=list(_MODES), format_func=lambda one: _MODES[one], key="mode"
        )
        without = st.text_input(
            "But not", placeholder="Away from this: a toy", max_chars=512, key="without"
        )
        tags = st.multiselect(
            "Tags",
            options=[],
            accept_new_options=True,
            placeholder="Any of these; type one",
            key="filter-tags",
        )
        types = st.multiselect("File type", options=list(_MEDIA_TYPES), key="filter-types")
        from_side, until_side = st.columns(2)
        oldest = date(1900, 1, 1)
        since = from_side.date_input("Taken from", value=None, min_value=oldest, key="since")
        until = until_side.date_input("Taken until", value=None, min_value=oldest, key="until")
        percent = st.slider(
            "Least relevance",
            0,
            95,
            0,
            5,
            format="%d %%",
            key="least-relevance",
            help="How sure it is that a picture fits. 50 % is strict, and means the same for every"
            " search.",
        )
        least = st.slider("Least score", 0.0, 1.0, 0.0, 0.01, key="least-score")
        sort = st.segmented_control(
            "Order",
            options=list(_SORTS),
            default="best",
            key="sort",
            required=True,
            disabled=mode in _UNORDERED,
        )
        once = st.toggle("Show pictures that look the same once", key="alike-once")
        st.button("Clear", on_click=_clear, disabled=not active, key="clear-filters")
    return Wanted(
        _as_search_filters(tags, types, since, until),
        percent / 100,
        least,
        mode,
        negative=without.strip(),
        # Found by words, they are not ordered by time.
        sort="relevance" if mode in _UNORDERED else _SORTS.get(sort or "best", "relevance"),
        collapse=_ALIKE if once else 0.0,
    )


def _clear() -> None:
    for key, unset in _UNSET.items():
        st.session_state[key] = unset


def _as_search_filters(
    tags: list[str], types: list[str], since: object, until: object
) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if tags:
        filters["tags"] = list(tags)
    if types:
        filters["media_type"] = [_MEDIA_TYPES[name] for name in types]
    taken: dict[str, str] = {}
    if isinstance(since, date):
        taken["gte"] = f"{since.isoformat()}T00:00:00Z"
    if isinstance(until, date):
        taken["lte"] = f"{until.isoformat()}T23:59:59Z"
    if taken:
        filters["taken_at"] = taken
    return filters
