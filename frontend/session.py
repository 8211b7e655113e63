"""What a browser session holds: the connection, and what the visitor is looking at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import streamlit as st

from frontend.settings import FrontendSettings
from viewfinder.client import Client
from viewfinder.errors import ServiceUnavailable, Unauthorized, ViewfinderError
from viewfinder.settings import load_settings

T = TypeVar("T")


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
    """What the gallery shows."""

    kind: Literal["newest", "text", "similar", "picture"] = "newest"
    query: str = ""
    image_id: str = ""
    name: str = ""
    picture: bytes = b""


def view() -> View:
    """What this session looks at."""
    found = st.session_state.get("view")
    return found if isinstance(found, View) else View()


def show(wanted: View) -> None:
    """Look at something else, from its first page."""
    st.session_state["view"] = wanted
    st.session_state["shown"] = PAGE_SIZE
    if wanted.kind != "text":
        st.session_state["query"] = ""


PAGE_SIZE = 24
"""Pictures before the first "Show more"."""


def shown_count() -> int:
    """How many pictures the gallery may show now."""
    return int(st.session_state.get("shown", PAGE_SIZE))


def show_more() -> None:
    """One page more."""
    st.session_state["shown"] = shown_count() + PAGE_SIZE


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Say what went wrong and what to do next, in the page."""
    try:
        yield
    except ServiceUnavailable as error:
        st.error(f"**Viewfinder does not answer.** {as_text(error.message)}", icon="🔌")
        st.caption("Is it running? Start it with `viewfinder up`, then try again.")
        st.button("Try again", key=f"again-{id(error)}")
    except Unauthorized:
        st.error("The gateway asks for an API key: set VIEWFINDER_API_KEY for the UI too.")
    except ViewfinderError as error:
        st.error(f"**{error.title}.** {as_text(error.message)}", icon="⚠️")


def attempt(work: Callable[[], T]) -> T | None:
    """The result of `work`, or None after its error has been shown."""
    with friendly_errors():
        return work()
    return None


_MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]()<>#+-.!|~:$"})


def as_text(text: str) -> str:
    """Text from outside, so that Markdown shows it as it is."""
    return " ".join(text.split()).translate(_MARKDOWN)
