"""Which words of a text a query speaks of, told as the index tells it: same terms, same stems."""

from __future__ import annotations

from collections.abc import Iterable

from viewfinder.stemming import stem
from viewfinder.terms import TermReader


def matching_words(query: str, words: Iterable[str]) -> list[int]:
    """The positions of the words that have a term of the query; words that say nothing ("the") are
    left out unless the query has nothing else."""
    reader = TermReader()
    wanted = {stem(one.term) for one in reader.query_terms(query)}
    if not wanted:
        return []
    known: dict[str, bool] = {}
    found: list[int] = []
    for position, word in enumerate(words):
        if word not in known:
            terms = reader.document_terms(word)
            known[word] = not wanted.isdisjoint(stem(term) for term in terms)
        if known[word]:
            found.append(position)
    return found
