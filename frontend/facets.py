"""What the pictures found are tagged with, to click on."""

from __future__ import annotations

import streamlit as st

from viewfinder.api_models import Facet

KEYS = ("tags",)
"""What is counted with a search."""
_SHOWN = 12


def facet_chips(facets: list[Facet]) -> None:
    """The most frequent tags; a click filters by one more."""
    chosen = set(st.session_state.get("filter-tags", []))
    counts = {
        str(one.value): one.count
        for facet in facets
        if facet.key == "tags"
        for one in facet.values
        if one.value not in chosen
    }
    if len(counts) < 2 and not chosen:
        return  # nothing to choose between
    tags = list(counts)[:_SHOWN]
    if tags:
        st.pills(
            "Tags of these pictures",
            options=tags,
            format_func=lambda tag: f"{tag} ({counts.get(tag, 0):,})",
            key="facet-tags",
            on_change=_filter_by_tag,
            label_visibility="collapsed",
        )


def _filter_by_tag() -> None:
    tag = st.session_state.get("facet-tags")
    if tag:
        st.session_state["filter-tags"] = [*st.session_state.get("filter-tags", []), tag]
        st.session_state["facet-tags"] = None
