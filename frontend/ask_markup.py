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


def sources(pictures: Sequence[str]) -> str:
    """The pictures that it looks at while it answers, made by `source`."""
    return f'<div class="vf-sources">{"".join(pictures)}</div>'


def note(text: str) -> str:
    """Which model it is, and how long it took."""
    return f'<p class="vf-sources-note">{escape(text)}</p>'


def source(
    *, number: int, shown: str, relevance: float | None, thumbnail_url: str, is_cited: bool
) -> str:
    """One picture or page, with the number that the answer calls it by."""
    fit = f" · {percent(relevance)}" if relevance is not None else ""
    cited = " vf-cited" if is_cited else ""
    return (
        f'<div class="vf-source{cited}">'
        f'<img src="{escape(thumbnail_url)}" alt="{escape(shown)}" loading="lazy">'
        f"<span>[{number}] {escape(shown)}{fit}</span></div>"
    )
