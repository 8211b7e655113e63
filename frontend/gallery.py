"""The grid of pictures and documents: newest, found by text, by a picture, or like another one."""

from __future__ import annotations

import time

import streamlit as st

from frontend import markup
from frontend.cards import card_of_hit, card_of_record, grid
from frontend.facets import KEYS, facet_chips
from frontend.filters import Wanted
from frontend.session import (
    PAGE_SIZE,
    View,
    client,
    friendly_errors,
    remembered,
    show_more,
    shown_count,
)
from viewfinder.api_models import MAX_LIST_LIMIT, ImageList, SearchResponse
from viewfinder.client_search import SearchOptions


def newest_page() -> ImageList:
    """As many of the newest as may be shown now."""
    return client().images(limit=min(shown_count(), MAX_LIST_LIMIT))


def newest_pictures(page: ImageList) -> None:
    """Show them."""
    if not page.images:
        return
    has_documents = any(image.kind == "document" for image in page.images)
    count = f"{page.total:,} pictures and documents" if has_documents else ""
    st.caption(f"{count or markup.pictures(page.total)}, the newest first")
    grid([card_of_record(image) for image in page.images])
    if page.next_cursor is None:
        return
    if len(page.images) < MAX_LIST_LIMIT:
        _more()
    else:
        st.caption(f"These are the newest {MAX_LIST_LIMIT}. Describe a picture to find the others.")


def found_pictures(looking_at: View, wanted: Wanted) -> None:
    """Show what this view asks for, or what to do when there is nothing."""
    with friendly_errors():
        pages, took_ms = remembered(
            (looking_at, wanted), lambda: _timed_first_page(looking_at, wanted)
        )
        while len(pages) * PAGE_SIZE < shown_count() and pages[-1].next_cursor:
            pages.append(_search(looking_at, wanted, pages[-1].next_cursor))
        facet_chips(pages[0].facets)
        hits = {hit.id: hit for page in pages for hit in page.results}
        if not hits:
            st.html(
                markup.message(
                    "Nothing found",
                    "Try other words, or loosen the filters. Fresh uploads need a moment.",
                )
            )
            return
        cards = [card_of_hit(hit) for hit in hits.values()]
        has_pages = any(card.is_page for card in cards)
        count = f"{len(hits):,} results" if has_pages else markup.pictures(len(hits))
        order = {"relevance": "the best match first"}.get(wanted.sort, f"the {wanted.sort} first")
        st.caption(f"{count}, {order} · {took_ms:.0f} ms")
        grid(cards)
        if pages[-1].next_cursor:
            _more()


def _timed_first_page(looking_at: View, wanted: Wanted) -> tuple[list[SearchResponse], float]:
    began = time.perf_counter()
    answer = _search(looking_at, wanted, None)
    return [answer], (time.perf_counter() - began) * 1000


def _search(looking_at: View, wanted: Wanted, cursor: str | None) -> SearchResponse:
    options: SearchOptions = {
        "top_k": PAGE_SIZE,
        "score_threshold": wanted.least_score,
        "min_relevance": wanted.least_relevance,
        "filters": wanted.filters,
        "group_by": "document",
        "collapse": wanted.collapse,
        "sort": wanted.sort,
    }
    if wanted.negative:
        options["negative"] = wanted.negative
    if cursor is None:
        options["facets"] = KEYS
    else:
        options["cursor"] = cursor
    if looking_at.kind == "similar":
        return client().similar(looking_at.image_id, **options)
    if looking_at.kind == "picture":
        return client().search_by_image(looking_at.picture, file_name=looking_at.name, **options)
    return client().search(looking_at.query, mode=wanted.mode, **options)


def _more() -> None:
    with st.container(horizontal_alignment="center"):
        st.button("Show more", on_click=show_more, key="show-more")
