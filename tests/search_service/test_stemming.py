"""The stems of viewfinder/stemming.py, by which words are marked, are those of the index."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import pytest

from search_service.words import Bm25Words
from viewfinder.stemming import stem

REPOSITORY = Path(__file__).parents[2]
ODD = (
    "skies dying gently only news inning proceed succeed agreed feed hopping hoped falling sky"
    " generously communication arsenal national rationalization hopefulness electricity analogously"
    " happily replacement adoption controllable roll a by yes ties cries gas this kiwis luxuriated"
)
ENDINGS = (
    "s es ed ing ly ness ation izer ful less ment ance able ism ive ous al ate er ic y ies eedly"
)


def everyday_words() -> set[str]:
    """Of the documentation, and with every ending."""
    texts = [path.read_text("utf-8") for path in (REPOSITORY / "docs").rglob("*.md")]
    words = {word for text in texts for word in re.findall("[a-z]+", text.lower())}
    short = sorted(words)[:: max(1, len(words) // 150)]
    return (
        words | set(ODD.split()) | {word + ending for word in short for ending in ENDINGS.split()}
    )


def classes(words: Iterable[str], key: Callable[[str], Hashable]) -> set[frozenset[str]]:
    """Words that have the same stem."""
    alike: dict[Hashable, set[str]] = defaultdict(set)
    for word in words:
        alike[key(word)].add(word)
    return {frozenset(group) for group in alike.values()}


def test_the_same_words_have_the_same_stem_as_in_the_index() -> None:
    index = Bm25Words()
    words = everyday_words()

    def in_index(word: str) -> Hashable:
        return tuple(index._model.embed_query(word).indices)

    assert len(words) > 3000
    different = classes(words, stem) ^ classes(words, in_index)
    assert not different, sorted(map(sorted, different))[:10]


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [("invoices", "invoic"), ("invoicing", "invoic"), ("running", "run"), ("skies", "sky")],
)
def test_some_stems(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed
