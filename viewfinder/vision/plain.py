"""Text from outside, made harmless: no control characters, no more than is wanted."""

from __future__ import annotations

import unicodedata

_LONGEST_LINE = 300
_KEPT = frozenset("\n\t")


def printable(text: str, keep: frozenset[str] = _KEPT) -> str:
    """Without control and format characters, halves of surrogate pairs and private ones; line
    breaks and tabs stay unless `keep` says otherwise."""
    return "".join(
        character
        for character in text
        if character in keep or not unicodedata.category(character).startswith("C")
    )


def one_line(text: str, longest: int = _LONGEST_LINE) -> str:
    """The same in one line of at most `longest` characters."""
    line = " ".join(printable(" ".join(text.split())).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
