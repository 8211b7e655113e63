"""The HTML of questions and answers. What a model says is text, never markup: all is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from frontend.markup import percent

STYLE = Path(__file__).parent / "ask.css"


def question(text: str) -> str:
    """What the visitor asked."""
    return f'<p class="vf-question">{escape(text)}</p>'


def answer(text: str, *, is_whole: bool = True) -> str:
    """What the model says, or has said so far."""
    waiting = "" if is_whole else '<span class="vf-writing" aria-hidden="true"></span>'
    return (
        f'<div class="vf-answer" aria-live="polite" aria-busy="{str(not is_whole).lower()}">'
        f"{escape(text)}{waiting}</div>"
    )


def sources(pictures: Sequence[str], note: str) -> str:
    """The pictures that it looked at, made by `source`."""
    return (
        f'<div class="vf-sources">{"".join(pictures)}</div>'
        f'<p class="vf-sources-note">{escape(note)}</p>'
    )


def source(
    *,
    number: int,
    name: str,
    page: int | None,
    relevance: float | None,
    thumbnail_url: str,
    url: str,
    is_cited: bool,
) -> str:
    """One picture or page, with the number that the answer calls it by."""
    shown = f"{name}, page {page}" if page else name
    fit = f" · {percent(relevance)}" if relevance is not None else ""
    cited = " vf-cited" if is_cited else ""
    return (
        f'<a class="vf-source{cited}" href="{escape(url)}" target="_blank" rel="noreferrer">'
        f'<img src="{escape(thumbnail_url)}" alt="{escape(shown)}" loading="lazy">'
        f"<span>[{number}] {escape(shown)}{fit}</span></a>"
    )
