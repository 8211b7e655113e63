"""The little HTML that Streamlit's own elements do not cover. Everything is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

_HERE = Path(__file__).parent

STYLE = _HERE / "style.css"
ICON = str(_HERE / "icon.svg")
DROP_ANYWHERE = f"<script>{(_HERE / 'drop_anywhere.js').read_text(encoding='utf-8')}</script>"

_HARDLY = 0.5

BRAND = (
    '<header class="vf-brand"><h1><a href="./" target="_self">Viewfinder</a></h1>'
    "<p>describe a picture and it is there</p></header>"
)


def card(
    *,
    image_url: str,
    name: str,
    score: float | None,
    relevance: float | None = None,
    matched: Sequence[str] = (),
    note: str = "",
    failure: str = "",
    is_page: bool = False,
) -> str:
    """A picture of the gallery, its name and how well it fits; `failure` stands in for it.

    A page is shown as a sheet of paper, a picture fills the frame.
    """
    shown = (
        f'<p class="vf-failure">{escape(failure)}</p>'
        if failure
        else f'<img src="{escape(image_url)}" alt="{escape(name)}" loading="lazy">'
    )
    badge = f'<span class="vf-note">{escape(note)}</span>' if note else ""
    return (
        f'<figure class="vf-card"><div class="vf-frame{" vf-sheet" if is_page else ""}">'
        f"{shown}{badge}</div>"
        f'<figcaption><span class="vf-name" title="{escape(name)}">{escape(name)}</span>'
        f"{_fit(score, relevance, matched)}</figcaption></figure>"
    )


def _fit(score: float | None, relevance: float | None, matched: Sequence[str]) -> str:
    """The probability that it shows this, the words it has where it hardly does, or the score."""
    if score is None:
        return ""
    if matched and (relevance or 0.0) < _HARDLY:
        count = "1 word" if len(matched) == 1 else f"{len(matched)} words"
        about = escape(f"Has: {', '.join(matched)}. Cosine {score:.4f}")
        return f'<span class="vf-score" title="{about}">{count}</span>'
    if relevance is not None:
        about = f"Relevance {relevance:.4f}: how sure it is that this fits. Cosine {score:.4f}"
        return f'<span class="vf-score" title="{about}">{percent(relevance)}</span>'
    return f'<span class="vf-score" title="Score {score:.4f}: cosine similarity">{score:.2f}</span>'


def percent(relevance: float) -> str:
    """73 %; never 0 or 100, since nothing is certain."""
    if relevance < 0.01:
        return "&lt;\u202f1\u202f%"
    if relevance > 0.99:
        return "&gt;\u202f99\u202f%"
    return f"{relevance * 100:.0f}\u202f%"


def small_page(*, image_url: str, number: int) -> str:
    """One of the other pages under a document's card."""
    about = f"page {number}"
    return f'<img class="vf-small" src="{escape(image_url)}" alt="{about}" title="{about}">'


def other_pages(count: int) -> str:
    """What stands behind the small pages: so many more."""
    return f'<span class="vf-others" title="{count:,} more pages of it">+{count:,}</span>'


def large_picture(*, image_url: str, name: str, is_page: bool = False) -> str:
    """The picture of the detail dialog."""
    kind = "vf-large vf-sheet" if is_page else "vf-large"
    return f'<div class="{kind}"><img src="{escape(image_url)}" alt="{escape(name)}"></div>'


def read_text(text: str) -> str:
    """What stands in a picture, its lines as they are."""
    return f'<pre class="vf-text">{escape(text)}</pre>'


def facts(rows: Mapping[str, str]) -> str:
    """A table of what is known, empty values left out."""
    lines = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>'
        for key, value in rows.items()
        if value
    )
    return f'<table class="vf-facts">{lines}</table>'


def description(caption: str, rows: Mapping[str, str], by: str) -> str:
    """What a picture shows, and who said so."""
    return (
        f'<div class="vf-description"><p class="vf-caption">{escape(caption)}</p>'
        f'{facts(rows)}<p class="vf-by">{escape(by)}</p></div>'
    )


def no_description() -> str:
    """In its place."""
    return '<p class="vf-by">Nobody has described it yet.</p>'


def working(text: str) -> str:
    """Something is under way."""
    return f'<p class="vf-working" role="status">{escape(text)}</p>'


def trouble(text: str) -> str:
    """Something is not as it should be, and goes on by itself or can be tried again."""
    return f'<p class="vf-trouble" role="status">{escape(text)}</p>'


def duration(seconds: float) -> str:
    """45 s, 12 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def message(title: str, text: str) -> str:
    """What a gallery without pictures says."""
    return f'<div class="vf-message"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>'


def formats(max_upload_mb: int) -> str:
    """What may be dropped on an empty page, and the other way in."""
    return (
        '<div class="vf-formats">'
        "<p>PDF, JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF, "
        f"up to {max_upload_mb} MB each. They stay on this machine.</p>"
        "<p>A whole folder, from a terminal: <code>viewfinder index FOLDER</code></p></div>"
    )


def pictures(count: int) -> str:
    """1 picture, 2 pictures, 1,234 pictures."""
    return f"{count:,} picture" if count == 1 else f"{count:,} pictures"


def files(count: int) -> str:
    """1 file, 2 files, 1,234 files."""
    return f"{count:,} file" if count == 1 else f"{count:,} files"


def pages(count: int) -> str:
    """1 page, 2 pages, 1,234 pages."""
    return f"{count:,} page" if count == 1 else f"{count:,} pages"


def readable_size(size_bytes: int) -> str:
    """12345678 -> 12.3 MB."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
