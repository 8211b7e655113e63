"""The grid of pictures: newest, found by text, by a picture, or like another one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from frontend import detail, markup
from frontend.session import (
    View,
    as_text,
    browser_url,
    client,
    friendly_errors,
    show,
    show_more,
    shown_count,
)
from viewfinder.api_models import MAX_LIST_LIMIT, MAX_TOP_K, SearchResponse

_STILL_WAITING = {"stored": "waiting to be indexed", "queued": "being indexed"}


@dataclass(frozen=True)
class Card:
    """One picture of the grid."""

    image_id: str
    name: str
    thumbnail_url: str
    score: float | None = None
    note: str = ""


def gallery(view: View, filters: dict[str, Any], least_score: float) -> None:
    """Show what this view asks for, or what to do when there is nothing."""
    with friendly_errors():
        if view.kind == "newest":
            _newest()
        else:
            _found(view, filters, least_score)


def _newest() -> None:
    count = shown_count()
    page = client().images(limit=min(count, MAX_LIST_LIMIT))
    if not page.images:
        st.html(
            markup.empty(
                "No pictures yet",
                "Drop some above, or index a folder in a terminal: viewfinder index FOLDER",
            )
        )
        return
    st.caption(f"{page.total:,} pictures, the newest first")
    cards = [
        Card(
            image.id,
            image.file_name,
            image.thumbnail_url,
            note=f"could not be indexed: {image.failure}" if image.state == "failed" else "",
        )
        for image in page.images
    ]
    _grid(cards)
    _more(more=page.next_cursor is not None and count < MAX_LIST_LIMIT)


def _found(view: View, filters: dict[str, Any], least_score: float) -> None:
    wanted = min(shown_count(), MAX_TOP_K)
    began = time.perf_counter()
    answer = _search(view, filters, least_score, wanted)
    took_ms = (time.perf_counter() - began) * 1000
    if not answer.results:
        st.html(
            markup.empty(
                "Nothing found",
                "Try other words, or loosen the filters. Fresh uploads need a moment.",
            )
        )
        return
    st.caption(f"{len(answer.results)} pictures, the best first · {took_ms:.0f} ms")
    _grid(
        [
            Card(hit.id, hit.metadata.file_name, hit.thumbnail_url, score=hit.score)
            for hit in answer.results
        ]
    )
    _more(more=len(answer.results) == wanted and wanted < MAX_TOP_K)


def _search(view: View, filters: dict[str, Any], least_score: float, top_k: int) -> SearchResponse:
    if view.kind == "similar":
        return client().similar(view.image_id, top_k=top_k, score_threshold=least_score)
    if view.kind == "picture":
        return client().search_by_image(
            view.picture,
            file_name=view.name,
            top_k=top_k,
            score_threshold=least_score,
            filters=filters,
        )
    return client().search(view.query, top_k=top_k, score_threshold=least_score, filters=filters)


def _grid(cards: Sequence[Card]) -> None:
    with st.container(key="gallery"):
        for card in cards:
            with st.container(key=f"card-{card.image_id}"):
                st.html(
                    markup.card(
                        image_url=browser_url(card.thumbnail_url),
                        name=card.name,
                        score=card.score,
                        note=card.note,
                    )
                )
                if st.button(f"Open {as_text(card.name)}", key=f"open-{card.image_id}"):
                    detail.open_dialog(card.image_id)
                st.button(
                    "More like this",
                    key=f"like-{card.image_id}",
                    type="tertiary",
                    icon=":material/image_search:",
                    on_click=show,
                    args=(View("similar", image_id=card.image_id, name=card.name),),
                )


def _more(*, more: bool) -> None:
    if more:
        st.button("Show more", on_click=show_more, width="stretch", key="show-more")
