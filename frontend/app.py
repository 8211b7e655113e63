"""The page: search, gallery, upload. Run by `python -m frontend`."""

from __future__ import annotations

import streamlit as st

from frontend import markup
from frontend.ask import ask
from frontend.describing import description_progress, descriptions
from frontend.detail import detail
from frontend.filters import filter_controls
from frontend.gallery import found_pictures, newest_page, newest_pictures
from frontend.session import View, as_text, friendly_errors, go_back, show, view
from frontend.uploads import drop_zone, is_sending, uploads
from viewfinder.api_models import ImageList


def _search_for_text() -> None:
    query = str(st.session_state["query"]).strip()
    show(View("text", query=query) if query else View())


def _search_by_picture(key: str) -> None:
    dropped = st.session_state.get(key)
    if dropped is not None:
        show(View("picture", name=dropped.name, picture=dropped.getvalue(), back=view()))
        st.session_state["picture-searches"] += 1


def _open_address() -> None:
    """A link with ?q= opens on that search."""
    query = st.query_params.get("q", "").strip()
    if "view" not in st.session_state and query:
        show(View("text", query=query))


def _search_by_picture_control() -> None:
    # Under a new key the popover is closed and its uploader empty again.
    number = int(st.session_state.setdefault("picture-searches", 0))
    key = f"by-picture-{number}"
    with st.popover("Search by picture", icon=":material/image_search:", key=f"popover-{key}"):
        st.file_uploader(
            "Find pictures like this one. It is not stored.",
            key=key,
            on_change=_search_by_picture,
            args=(key,),
        )


def _what_is_shown(looking_at: View) -> None:
    if looking_at.kind in ("similar", "picture"):
        with st.container(horizontal=True, vertical_alignment="center", key="like"):
            st.button("Back", on_click=go_back, icon=":material/arrow_back:", key="back")
            st.markdown(f"Pictures like **{as_text(looking_at.name)}**", width="stretch")


def _newest() -> ImageList | None:
    with friendly_errors():
        return newest_page()
    return None


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Viewfinder", page_icon=markup.ICON, layout="wide")
    st.html(markup.STYLE)
    st.html(markup.DROP_ANYWHERE, unsafe_allow_javascript=True)
    st.html(markup.BRAND)
    _open_address()
    st.text_input(
        "Describe a picture",
        placeholder="Describe a picture or a page: a dog on a beach, an invoice for tiles …",
        key="query",
        icon=":material/search:",
        max_chars=512,
        on_change=_search_for_text,
        label_visibility="collapsed",
    )
    tools = st.container(horizontal=True, vertical_alignment="center", key="tools")
    looking_at = view()
    page = _newest() if looking_at.kind == "newest" else None
    empty = page is not None and page.total == 0 and not is_sending()
    with tools:
        wanted = filter_controls(used=looking_at.kind != "newest")
        _search_by_picture_control()
        ask(looking_at, wanted)
        if not empty:
            descriptions()
        if not empty:
            drop_zone("slim")
    uploads(live=looking_at.kind == "newest")
    description_progress(more_to_come=is_sending())
    if empty:
        drop_zone("large")
    elif page is not None:
        newest_pictures(page)
    elif looking_at.kind != "newest":
        _what_is_shown(looking_at)
        found_pictures(looking_at, wanted)
    detail()


main()
