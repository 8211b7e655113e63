"""How a text is looked for: by what pictures show, by the words that are known of them, among them
those of their descriptions, and by the pages that a document encoder has seen."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from search_service.fusion import ListWeights, WordSearch
from search_service.words import Bm25Words

Mode = Literal["auto", "visual", "hybrid", "document", "description"]
MODES: tuple[Mode, ...] = get_args(Mode)

# Measured, see docs/evaluation.md: words that only nudge never made plain descriptions worse, also
# where names lie; and up to ten pictures that have all the words come first, as names shall. Three
# words or more seldom meet by chance: so pages are found by most of what stands on them. What is
# further down than 40 by words changes nothing then, and a filter makes it dear to find.
AUTO = ListWeights(some=0.25, all=2.0, few=10, grows_from=3, power=2.0, depth=40)
HYBRID = ListWeights(some=0.5, all=2.0, late=1.0, by_share=True, grows_from=2, power=1.5)
# An encoder of pictures reads nothing: its look decides only between pages that are equal else.
DOCUMENT = ListWeights(some=1.0, all=2.0, late=1.0, look=0.25, by_share=True)
# Whoever asks for it has had them described, to be found by these words.
DESCRIPTION = ListWeights(some=1.0, all=2.0, look=0.25, by_share=True, grows_from=2, power=1.5)

WEIGHTS = MappingProxyType(
    {"auto": AUTO, "hybrid": HYBRID, "document": DOCUMENT, "description": DESCRIPTION}
)
NEEDED: Mapping[Mode, str] = MappingProxyType(
    {"document": "document", "description": "description"}
)
"""What a picture's payload must have, to be found this way."""


def word_search(text: str, mode: Mode, words: Bm25Words) -> WordSearch | None:
    """The words to look for beside the picture; None where only what pictures show counts."""
    if mode == "visual":
        return None
    asked = words.of_query(text, in_descriptions=mode == "description")
    return None if asked is None else WordSearch(asked, WEIGHTS[mode])
