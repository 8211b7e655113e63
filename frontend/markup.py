"""The little HTML that Streamlit's own elements do not cover. Everything is escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

STYLE = Path(__file__).parent / "style.css"

BRAND = (
    '<div class="vf-brand"><b>◎ Viewfinder</b><span>describe a picture and it is there</span></div>'
)


def card(*, image_url: str, name: str, score: float | None, note: str = "") -> str:
    """A picture of the gallery with its name and score; `note` stands in for the picture."""
    shown = (
        f'<div class="vf-state">{escape(note)}</div>'
        if note
        else f'<img src="{escape(image_url)}" alt="{escape(name)}" loading="lazy">'
    )
    badge = "" if score is None else f'<span class="vf-score">{score:.3f}</span>'
    return (
        f'<figure class="vf-card"><div class="vf-frame">{shown}{badge}</div>'
        f'<figcaption title="{escape(name)}">{escape(name)}</figcaption></figure>'
    )


def large_picture(*, image_url: str, name: str) -> str:
    """The picture of the detail dialog."""
    return f'<img class="vf-large" src="{escape(image_url)}" alt="{escape(name)}">'


def facts(rows: Mapping[str, str]) -> str:
    """A table of what is known, empty values left out."""
    lines = "".join(
        f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>"
        for key, value in rows.items()
        if value
    )
    return f'<table class="vf-facts">{lines}</table>'


def empty(title: str, text: str) -> str:
    """What a gallery without pictures says."""
    return f'<div class="vf-empty"><h3>{escape(title)}</h3><p>{escape(text)}</p></div>'


def readable_size(size_bytes: int) -> str:
    """12345678 -> 12.3 MB."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
