"""Documents with known words to measure with, and a question for every page of them.

The same seed gives the same documents. A question has some of its page's words, others in another
form, and no page but that one has all that it speaks of. File names tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench import document_words as words
from bench.document_pages import Sort, Written, pdf_of
from bench.scanning import as_photo, as_scanned_pdf, as_screenshot

Kind = Literal["text layer", "scan", "picture"]

_PLAN: tuple[tuple[Sort, Kind, int, int], ...] = (
    # sort, kind, files, pages a file
    ("invoice", "text layer", 2, 5),
    ("invoice", "scan", 2, 5),
    ("letter", "text layer", 5, 2),
    ("letter", "scan", 2, 5),
    ("slide", "text layer", 1, 15),
    ("slide", "picture", 5, 1),
    ("receipt", "scan", 2, 5),
    ("receipt", "picture", 10, 1),
    ("screenshot", "text layer", 1, 5),
    ("screenshot", "picture", 15, 1),
)
_SUFFIXES: dict[Kind, str] = {"text layer": "pdf", "scan": "pdf", "picture": "jpg"}


@dataclass(frozen=True)
class MadePage:
    """Page `number` of its file, from 1, and the question that only it answers."""

    number: int
    written: Written
    question: str


@dataclass(frozen=True)
class MadeDocument:
    """A file to upload: a PDF with a text layer, one of scanned pages, or a picture."""

    file_name: str
    kind: Kind
    content: bytes
    pages: tuple[MadePage, ...]


def made_documents(seed: int = 0) -> Iterator[MadeDocument]:
    """100 pages in 45 files: 40 pages have a text layer, 30 are scanned, 30 are plain pictures.

    Raises:
        ReportlabMissing: what draws them is not installed.
    """
    random = np.random.default_rng(seed)
    pages = {
        sort: _written(sort, random)
        for sort in ("invoice", "letter", "slide", "receipt", "screenshot")
    }
    everything = [page for of_sort in pages.values() for page in of_sort]
    number = 0
    for sort, kind, files, length in _PLAN:
        for _ in range(files):
            number += 1
            taken, pages[sort] = pages[sort][:length], pages[sort][length:]
            yield MadeDocument(
                f"doc-{number:03}.{_SUFFIXES[kind]}",
                kind,
                _content(taken, sort, kind, random),
                tuple(
                    MadePage(place, page, _question(page, everything, random))
                    for place, page in enumerate(taken, 1)
                ),
            )


def _content(
    pages: Sequence[Written], sort: Sort, kind: Kind, random: np.random.Generator
) -> bytes:
    pdf = pdf_of(pages)
    if kind == "text layer":
        return pdf
    if kind == "scan":
        return as_scanned_pdf(pdf, random)
    return as_screenshot(pdf) if sort in ("screenshot", "slide") else as_photo(pdf, random)


_VOCABULARY: dict[Sort, tuple[tuple[str, ...], tuple[words.Thing, ...], int]] = {
    # who, things, things a page
    "invoice": (words.COMPANIES, words.GOODS, 3),
    "letter": (words.SENDERS, words.MATTERS, 1),
    "slide": (words.TOPICS, words.POINTS, 3),
    "receipt": (words.SHOPS, words.PURCHASES, 3),
    "screenshot": (words.PROGRAMS, words.MESSAGES, 2),
}
_PAGES_A_SORT = 20
_ASKED = {
    written: asked
    for things in (words.GOODS, words.MATTERS, words.POINTS, words.PURCHASES, words.MESSAGES)
    for written, asked in things
}
_QUESTIONS: dict[Sort, tuple[tuple[str, tuple[str, ...]], ...]] = {
    # the question, and which of the page's words it speaks of
    "invoice": (
        ("invoice of {who} about {thing}", ("who", "thing")),
        ("what did {who} charge in {when} for {thing}?", ("who", "when", "thing")),
        ("bill for {thing} sent to {whom}", ("whom", "thing")),
    ),
    "letter": (
        ("letter from {who} about {thing}", ("who", "thing")),
        ("{whom} is told about {thing} in a letter", ("whom", "thing")),
        ("what does {who} write in {when} on {thing}?", ("who", "when", "thing")),
    ),
    "slide": (
        ("slide of {who} that mentions {thing}", ("who", "thing")),
        ("presentation about {who}: {thing}", ("who", "thing")),
        ("what did {whom} present about {thing}?", ("whom", "thing")),
    ),
    "receipt": (
        ("receipt of {who} with {thing}", ("who", "thing")),
        ("what did {thing} and {other} cost?", ("thing", "other")),
        ("I bought {thing} at {who}", ("who", "thing")),
    ),
    "screenshot": (
        ("screenshot of {who}: {thing}", ("who", "thing")),
        ("{who} says something about {thing}", ("who", "thing")),
        ("the window with {thing} and {other}", ("thing", "other")),
    ),
}


def _written(sort: Sort, random: np.random.Generator) -> list[Written]:
    """Every name stands on two pages or more, so that it alone tells no page from another."""
    who, things, each = _VOCABULARY[sort]
    clients = _dealt(words.CLIENTS, _PAGES_A_SORT, random)
    makers = _dealt(who, _PAGES_A_SORT, random)
    dealt = _dealt([written for written, _ in things], _PAGES_A_SORT * each, random)
    return [
        Written(
            sort,
            int(random.integers(1000, 9999)),
            makers[page],
            clients[page],
            words.MONTHS[int(random.integers(12))],
            tuple(dealt[page * each : (page + 1) * each]),
            tuple(int(cents) for cents in random.integers(99, 99_999, each)),
        )
        for page in range(_PAGES_A_SORT)
    ]


def _dealt(names: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """`count` of them, each about as often as the others, shuffled whole decks in turn."""
    dealt: list[str] = []
    while len(dealt) < count:
        dealt += [names[int(place)] for place in random.permutation(len(names))]
    return dealt[:count]


def _question(page: Written, everything: Sequence[Written], random: np.random.Generator) -> str:
    """One that no other page answers, of those that this sort of page is asked."""
    for place in random.permutation(len(_QUESTIONS[page.sort])):
        text, named = _QUESTIONS[page.sort][int(place)]
        for thing in random.permutation(len(page.things)):
            first = page.things[int(thing)]
            other = page.things[(int(thing) + 1) % len(page.things)]
            said = {
                "who": page.who,
                "whom": page.whom,
                "when": page.when,
                "thing": first,
                "other": other,
            }
            spoken_of = {said[name] for name in named}
            if sum(spoken_of <= _facts(other_page) for other_page in everything) == 1:
                asked = {name: _ASKED.get(value, value) for name, value in said.items()}
                return text.format(**asked)
    raise ValueError(f"every question on {page} has several answers")


def _facts(page: Written) -> set[str]:
    return {page.who, page.whom, page.when, *page.things}
