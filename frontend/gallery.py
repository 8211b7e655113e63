"""The grid of pictures: newest, found by text, by a picture, or like another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from frontend import markup
from frontend.filters import Wanted
from frontend.session import (
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
    MAX_TOP_K,
    ImageList,
    ImageRecord,
    SearchResponse,
)


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
    top_k = min(shown_count(), MAX_TOP_K)
    with friendly_errors():
        answer, took_ms = remembered(
            (looking_at, wanted, top_k),
            lambda: _timed_search(looking_at, wanted, top_k),
        )
        if not answer.results:
            st.html(
                markup.message(
                    "Nothing found",
                    "Try other words, or loosen the filters. Fresh uploads need a moment.",
                )
            )
            return
        st.caption(
            f"{markup.pictures(len(answer.results))}, the best match first · {took_ms:.0f} ms"
        )
        _grid(
            [
                Card(
                    hit.id,
                    hit.metadata.file_name,
                    hit.thumbnail_url,
                    score=hit.score,
                    relevance=hit.relevance,
                )
                for hit in answer.results
            ]
        )
        if len(answer.results) == top_k and top_k < MAX_TOP_K:
            _more()


def _timed_search(looking_at: View, wanted: Wanted, top_k: int) -> tuple[SearchResponse, float]:
    began = time.perf_counter()
    answer = _search(looking_at, wanted, top_k)
    return answer, (time.perf_counter() - began) * 1000


def _search(looking_at: View, wanted: Wanted, top_k: int) -> SearchResponse:
    cuts: dict[str, Any] = {
        "top_k": top_k,
        "score_threshold": wanted.least_score,
        "min_relevance": wanted.least_relevance,
    }
    if looking_at.kind == "similar":
        return client().similar(looking_at.image_id, **cuts)
    if looking_at.kind == "picture":
        return client().search_by_image(
            looking_at.picture, file_name=looking_at.name, filters=wanted.filters, **cuts
        )
    return client().search(looking_at.query, filters=wanted.filters, mode=wanted.mode, **cuts)


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
