"""How a text is looked for: by what pictures show, or by the words that are known of them too."""

from __future__ import annotations

from typing import Literal, cast, get_args

from search_service.words import Bm25Words, QueryWords
from viewfinder.errors import InvalidRequest

Mode = Literal["auto", "visual", "hybrid"]


def mode_of(text: str) -> Mode:
    """Raises InvalidRequest when it is none; empty is auto."""
    if text and text not in get_args(Mode):
        raise InvalidRequest("mode", repr(text[:50]), ", ".join(get_args(Mode)))
    return cast(Mode, text or "auto")


def words_for(text: str, mode: Mode, words: Bm25Words) -> QueryWords | None:
    """The words to look for beside the picture; None where only what pictures show counts."""
    return words.of_query(text) if mode == "hybrid" else None
