"""What a browser session holds: the connection, and what the visitor is looking at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from frontend.settings import FrontendSettings
from viewfinder.client import Client
from viewfinder.errors import ServiceUnavailable, Unauthorized, ViewfinderError
from viewfinder.settings import load_settings

T = TypeVar("T")

PAGE_SIZE = 24
"""Pictures before the first "Show more"."""


@st.cache_resource
def settings() -> FrontendSettings:
    """Read once a process."""
    return load_settings(FrontendSettings)


@st.cache_resource
def client() -> Client:
    """One for all sessions: it is safe among threads."""
    found = settings()
    return Client(found.server_side_api_url, api_key=found.api_key or None)


def browser_url(url: str) -> str:
    """A `url` of the gateway's answers as the browser reaches it."""
    return url if url.startswith("http") else f"{settings().browser_side_api_url}{url}"


@dataclass(frozen=True)
class View:
    """What the gallery shows, and where "Back" leads."""

    kind: Literal["newest", "text", "similar", "picture"] = "newest"
    query: str = ""
    image_id: str = ""
    name: str = ""
    picture: bytes = field(default=b"", repr=False)
    back: View | None = None


def view() -> View:
    """What this session looks at."""
    found = st.session_state.get("view")
    return found if isinstance(found, View) else View()


def show(wanted: View) -> None:
    """Look at something else, from its first page."""
    st.session_state["view"] = wanted
    st.session_state["shown"] = PAGE_SIZE
    st.session_state["query"] = wanted.query
    if wanted.kind == "text":
        st.query_params["q"] = wanted.query
    else:
        st.query_params.clear()
    close_picture()
    close_dialog()
    forget_answer()


def go_back() -> None:
    """To what was shown before."""
    show(view().back or View())


def shown_count() -> int:
    """How many pictures the gallery may show now."""
    return int(st.session_state.get("shown", PAGE_SIZE))


def show_more() -> None:
    """One page more."""
    st.session_state["shown"] = shown_count() + PAGE_SIZE


def open_picture(image_id: str) -> None:
    """Show this picture or page large, until `close_picture`."""
    st.session_state["open"] = image_id


def close_picture() -> None:
    """Back to the gallery."""
    st.session_state.pop("open", None)


def opened_picture() -> str | None:
    """The id of the picture that is shown large."""
    return st.session_state.get("open")


def open_dialog(name: str) -> None:
    """Open this dialog in place of any other, until `close_dialog`."""
    close_picture()
    st.session_state["dialog"] = name


def close_dialog() -> None:
    """Back to the gallery."""
    st.session_state.pop("dialog", None)


def opened_dialog() -> str:
    """The name of the dialog that is shown: none while a picture is, which may lie over one."""
    return "" if opened_picture() else str(st.session_state.get("dialog", ""))


def remembered(question: object, ask: Callable[[], T]) -> T:
    """The answer of `ask`, which is asked again only for another question.

    Every click runs the page again; opening a picture must not search again.
    """
    known = st.session_state.get("answer")
    if known is None or known[0] != question:
        known = st.session_state["answer"] = (question, ask())
    answer: T = known[1]
    return answer


def forget_answer() -> None:
    """Pictures came or went: the next run asks again."""
    st.session_state.pop("answer", None)


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Say what went wrong and what to do next, in the page; once in a page, see `attempt`."""
    try:
        yield
    except ViewfinderError as error:
        show_error(error)
        if isinstance(error, ServiceUnavailable):
            st.caption(
                "`viewfinder status` in a terminal says what runs, `viewfinder up` starts it."
            )
            st.button("Try again", key="try-again", icon=":material/refresh:")


def show_error(error: ViewfinderError) -> None:
    """Say what went wrong."""
    if isinstance(error, Unauthorized):
        st.error(
            "**The gateway asks for an API key.** Set VIEWFINDER_API_KEY for this page too.",
            icon=":material/key:",
        )
    else:
        st.error(f"**{error.title}:** {as_text(error.message)}", icon=":material/error:")


def draw_again() -> None:
    """With what has changed. Only the dialog, where only the dialog was being drawn."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:
        st.rerun()


def attempt(work: Callable[[], T]) -> T | None:
    """The result of `work`, or None after its error has been shown where it happened."""
    try:
        return work()
    except ViewfinderError as error:
        show_error(error)
        return None


_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]()<>#+-.!|~:$"})


def as_text(text: str) -> str:
    """Text from outside, so that Markdown shows it as it is."""
    return " ".join(text.split()).translate(_MARKDOWN)
