"""The page: search, gallery, upload. Run by `python -m frontend`."""

from __future__ import annotations

import streamlit as st

from frontend import markup
from frontend.filters import filter_controls
from frontend.gallery import gallery
from frontend.session import View, as_text, attempt, client, show, view
from frontend.uploads import upload_area


def _search_for_text() -> None:
    query = str(st.session_state["query"]).strip()
    if query:
        st.query_params["q"] = query
        show(View("text", query=query))
    else:
        _back_to_newest()


def _back_to_newest() -> None:
    st.query_params.clear()
    show(View())


def _search_by_picture() -> None:
    dropped = st.session_state.get("by-picture")
    if dropped is not None:
        st.query_params.clear()
        show(View("picture", name=dropped.name, picture=dropped.getvalue()))


def _open_address() -> None:
    """A link with ?q= opens on that search."""
    query = st.query_params.get("q", "").strip()
    if "view" not in st.session_state and query:
        st.session_state["query"] = query
        show(View("text", query=query))


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Viewfinder", page_icon="◎", layout="wide")
    st.html(markup.STYLE)
    st.html(markup.BRAND)
    _open_address()
    st.text_input(
        "Describe a picture",
        placeholder="Describe a picture: a dog on a beach, mountains at sunset ...",
        key="query",
        max_chars=512,
        on_change=_search_for_text,
        label_visibility="collapsed",
    )
    with st.container(horizontal=True):
        filters, least_score = filter_controls()
        with st.popover("Search by picture", icon=":material/image_search:"):
            st.file_uploader(
                "Find pictures like this one (it is not stored)",
                key="by-picture",
                on_change=_search_by_picture,
            )
    looking_at = view()
    if looking_at.kind in ("similar", "picture"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Pictures like **{as_text(looking_at.name)}**")
            st.button("Back", on_click=_back_to_newest, icon=":material/close:", key="back")
    first = attempt(lambda: client().images(limit=1))
    if first is None:
        return
    upload_area(expanded=first.total == 0)
    gallery(looking_at, filters, least_score)


main()
