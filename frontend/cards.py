"""The cards of the grid: a picture, a page that was found, a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from frontend import markup
from frontend.session import View, as_text, browser_url, open_picture, show, view
from viewfinder.api_models import DocumentPage, ImageRecord, SearchHit

_SMALL_PAGES = 4
"""Other pages of a document under its card."""


@dataclass(frozen=True)
class Card:
    """One of the grid. `others`: further pages of the document, best first."""

    image_id: str
    name: str
    thumbnail_url: str
    score: float | None = None
    relevance: float | None = None
    matched: tuple[str, ...] = ()
    note: str = ""
    failure: str = ""
    is_page: bool = False
    has_like: bool = True
    others: tuple[DocumentPage, ...] = ()


def card_of_record(image: ImageRecord) -> Card:
    """A picture or a document of the library."""
    is_document = image.kind == "document"
    return Card(
        image.id,
        image.file_name,
        image.thumbnail_url,
        note=_note(image),
        failure=f"Not searchable: {image.failure}" if image.state == "failed" else "",
        is_page=is_document,
        has_like=image.state == "indexed" and not is_document,
    )


def _note(image: ImageRecord) -> str:
    count = markup.pages(image.pages or 0) if image.kind == "document" else ""
    if image.state in ("indexed", "failed"):
        return count
    return f"{count}, being indexed" if count else "being indexed"


def card_of_hit(hit: SearchHit) -> Card:
    """A picture that was found, or the best page of a document."""
    about = hit.metadata
    return Card(
        hit.id,
        about.file_name,
        hit.thumbnail_url,
        score=hit.score,
        relevance=hit.relevance,
        matched=tuple(hit.matched),
        note=page_of(about.page, about.pages),
        is_page=about.page is not None,
        others=tuple(hit.pages),
    )


def page_of(page: int | None, pages: int | None) -> str:
    """page 3 of 12; nothing for a picture."""
    if page is None:
        return ""
    return f"page {page:,} of {pages:,}" if pages else f"page {page:,}"


def grid(cards: Sequence[Card]) -> None:
    """Show them."""
    with st.container(key="gallery"):
        for card in cards:
            with st.container(key=f"card-{card.image_id}"):
                _card(card)
                if card.others:
                    _other_pages(card)


def _card(card: Card) -> None:
    st.html(
        markup.card(
            image_url=browser_url(card.thumbnail_url),
            name=card.name,
            score=card.score,
            relevance=card.relevance,
            matched=card.matched,
            note=card.note,
            failure=card.failure,
            is_page=card.is_page,
        )
    )
    name = ", ".join(filter(None, (card.name, card.note if card.is_page else "")))
    st.button(
        f"Open {as_text(name)}",
        key=f"open-{card.image_id}",
        on_click=open_picture,
        args=(card.image_id,),
    )
    if card.has_like and not card.failure:
        st.button(
            f"More like {as_text(name)}",
            key=f"like-{card.image_id}",
            icon=":material/image_search:",
            on_click=_show_similar,
            args=(card.image_id, name),
        )


def _other_pages(card: Card) -> None:
    with st.container(key=f"others-{card.image_id}", horizontal=True):
        for other in card.others[:_SMALL_PAGES]:
            with st.container(key=f"small-{other.id}"):
                st.html(
                    markup.small_page(
                        image_url=browser_url(other.thumbnail_url), number=other.page or 0
                    )
                )
                st.button(
                    f"Open {as_text(card.name)}, page {other.page}",
                    key=f"page-{other.id}",
                    on_click=open_picture,
                    args=(other.id,),
                )
        if (more := len(card.others) - _SMALL_PAGES) > 0:
            st.html(markup.other_pages(more))


def _show_similar(image_id: str, name: str) -> None:
    show(View("similar", image_id=image_id, name=name, back=view()))
