"""The large picture of the dialog: pages to turn, and why it was found."""

from __future__ import annotations

from uuid import UUID

import httpx
import streamlit as st

from frontend import markup
from frontend.session import browser_url, open_picture, view
from viewfinder.api_models import ImageRecord
from viewfinder.ids import page_id

_LARGE_PX = 1600


def first_page_of(document: ImageRecord) -> str:
    """Its id."""
    return _page_of(document.id, 1)


def _page_of(document_id: str, number: int) -> str:
    return str(page_id(UUID(document_id), number))


def large(image: ImageRecord) -> None:
    """Show it, with what leads to the pages before and after."""
    query = view().query if view().kind == "text" and image.state == "indexed" else ""
    wants_why = bool(query) and bool(st.session_state.get("why"))
    path = f"/images/{image.id}/heatmap" if wants_why else image.url
    url = httpx.URL(path).copy_merge_params({"width": _LARGE_PX, "format": "webp"})
    if wants_why:
        url = url.copy_merge_params({"query": query})
    st.html(
        markup.large_picture(
            image_url=browser_url(str(url)), name=image.file_name, is_page=bool(image.page)
        )
    )
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="turn"
    ):
        if image.page and image.document_id and (image.pages or 1) > 1:
            _turn(image.document_id, image.page, image.pages or 1)
        if query:
            st.toggle(
                "Why this hit",
                key="why",
                help="Where what you searched for is seen, and the words of it that stand here.",
            )


def _turn(document_id: str, page: int, pages: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.button(
            "Page before",
            icon=":material/chevron_left:",
            key="page-before",
            disabled=page <= 1,
            on_click=open_picture,
            args=(_page_of(document_id, page - 1),),
        )
        st.markdown(f"{page:,} of {pages:,}", width="content")
        st.button(
            "Page after",
            icon=":material/chevron_right:",
            key="page-after",
            disabled=page >= pages,
            on_click=open_picture,
            args=(_page_of(document_id, page + 1),),
        )
