"""Which words of a text a query speaks of, told as the index tells it: same terms, same stems."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from viewfinder.stemming import stem
from viewfinder.terms import UNSPACED, TermReader


def matching_words(query: str, words: Sequence[str]) -> list[int]:
    """The positions of the words that have a term of the query; words that say nothing ("the") are
    left out unless the query has nothing else."""
    reader = TermReader()
    wanted = {stem(one.term) for one in reader.query_terms(query)}
    if not wanted:
        return []
    known: dict[str, bool] = {}
    found: set[int] = set()
    for position, word in enumerate(words):
        if word not in known:
            terms = reader.document_terms(word)
            known[word] = not wanted.isdisjoint(stem(term) for term in terms)
        if known[word]:
            found.add(position)
    if any(UNSPACED.match(term) for term in wanted):
        found |= _across(wanted, words)
    return sorted(found)


def _across(wanted: set[str], words: Sequence[str]) -> set[int]:
    """Of scripts without spaces, where readers of pages tell words apart as they like: pairs of the
    last character of one word and the first of the next."""
    found: set[int] = set()
    for position, (before, after) in enumerate(pairwise(words)):
        pair = before[-1:] + after[:1]
        if pair in wanted and UNSPACED.match(pair):
            found |= {position, position + 1}
    return found
