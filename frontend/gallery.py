"""The grid of pictures: newest, found by text, by a picture, or like another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from frontend import markup
from frontend.facets import KEYS, facet_chips
from frontend.filters import Wanted
from frontend.session import (
    PAGE_SIZE,
    View,
    as_text,
    browser_url,
    client,
    friendly_errors,
    open_picture,
    remembered,
    show,
    show_more,
    shown_count,
    view,
)
from viewfinder.api_models import (
    MAX_LIST_LIMIT,
    ImageList,
    ImageRecord,
    SearchResponse,
)
from viewfinder.client_search import SearchOptions


@dataclass(frozen=True)
class Card:
    """One picture of the grid."""

    image_id: str
    name: str
    thumbnail_url: str
    score: float | None = None
    relevance: float | None = None
    note: str = ""
    failure: str = ""


def newest_page() -> ImageList:
    """As many of the newest as may be shown now."""
    return client().images(limit=min(shown_count(), MAX_LIST_LIMIT))


def newest_pictures(page: ImageList) -> None:
    """Show them."""
    if not page.images:
        return
    st.caption(f"{markup.pictures(page.total)}, the newest first")
    _grid([_card_of(image) for image in page.images])
    if page.next_cursor is None:
        return
    if len(page.images) < MAX_LIST_LIMIT:
        _more()
    else:
        st.caption(f"These are the newest {MAX_LIST_LIMIT}. Describe a picture to find the others.")


def _card_of(image: ImageRecord) -> Card:
    return Card(
        image.id,
        image.file_name,
        image.thumbnail_url,
        note="" if image.state in ("indexed", "failed") else "being indexed",
        failure=f"Not searchable: {image.failure}" if image.state == "failed" else "",
    )


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
        order = {"relevance": "the best match first"}.get(wanted.sort, f"the {wanted.sort} first")
        st.caption(f"{markup.pictures(len(hits))}, {order} · {took_ms:.0f} ms")
        _grid(
            [
                Card(
                    hit.id,
                    hit.metadata.file_name,
                    hit.thumbnail_url,
                    score=hit.score,
                    relevance=hit.relevance,
                )
                for hit in hits.values()
            ]
        )
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


def _grid(cards: Sequence[Card]) -> None:
    with st.container(key="gallery"):
        for card in cards:
            with st.container(key=f"card-{card.image_id}"):
                st.html(
                    markup.card(
                        image_url=browser_url(card.thumbnail_url),
                        name=card.name,
                        score=card.score,
                        relevance=card.relevance,
                        note=card.note,
                        failure=card.failure,
                    )
                )
                st.button(
                    f"Open {as_text(card.name)}",
                    key=f"open-{card.image_id}",
                    on_click=open_picture,
                    args=(card.image_id,),
                )
                if not card.note and not card.failure:
                    st.button(
                        f"More like {as_text(card.name)}",
                        key=f"like-{card.image_id}",
                        icon=":material/image_search:",
                        on_click=_show_similar,
                        args=(card,),
                    )


def _show_similar(card: Card) -> None:
    show(View("similar", image_id=card.image_id, name=card.name, back=view()))


def _more() -> None:
    with st.container(horizontal_alignment="center"):
        st.button("Show more", on_click=show_more, key="show-more")
