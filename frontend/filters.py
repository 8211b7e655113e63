"""The filters of a search."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIC": "image/heic",
    "AVIF": "image/avif",
}


def filter_controls() -> tuple[dict[str, Any], float]:
    """The controls; what they ask for as (filters of a search, least score)."""
    with st.popover("Filters", icon=":material/tune:"):
        tags = st.multiselect(
            "Tags",
            options=[],
            accept_new_options=True,
            placeholder="Any; type one",
            key="filter-tags",
            help="Pictures with any of these tags",
        )
        types = st.multiselect("File type", options=list(_MEDIA_TYPES), key="filter-types")
        since = st.date_input("Taken from", value=None, min_value=date(1900, 1, 1), key="since")
        until = st.date_input("Taken until", value=None, min_value=date(1900, 1, 1), key="until")
        least = st.slider("Least score", 0.0, 1.0, 0.0, 0.01, key="least-score")
    filters: dict[str, Any] = {}
    if tags:
        filters["tags"] = list(tags)
    if types:
        filters["media_type"] = [_MEDIA_TYPES[name] for name in types]
    if since or until:
        taken: dict[str, str] = {}
        if isinstance(since, date):
            taken["gte"] = f"{since.isoformat()}T00:00:00Z"
        if isinstance(until, date):
            taken["lte"] = f"{until.isoformat()}T23:59:59Z"
        filters["taken_at"] = taken
    return filters, least
