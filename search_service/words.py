"""Texts as BM25 vectors of words: file names, tags, descriptions, pages, in whatever language.

How often a word is in the whole index (IDF) is the engine's to know; a document's vector holds how
much the word says of that document, a query's holds ones. Robertson and Zaragoza: The Probabilistic
Relevance Framework, BM25 and Beyond, 2009.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import qdrant_edge as edge

from search_service.vector_index import SparseVector
from viewfinder.terms import TermReader

_K = 1.2
_B = 0.5
_AVERAGE_LENGTH = 24.0  # terms of a usual text here: a file name, its folder, some tags
_DOCUMENT_CHARS = 20_000
_DOCUMENT_TERMS = 4_096
_QUERY_CHARS = 2_048
_QUERY_TERMS = 128
_WORDS_OF_PAGE = 3
_DESCRIBED = 1 << 31  # added to a term's number, a hash below that: the term in a description


@dataclass(frozen=True)
class QueryWords:
    """The words of a query: `vector`, which word as typed each of its terms came from, and the
    terms that a text must have to have all of it."""

    vector: SparseVector
    typed: dict[int, str]
    required: frozenset[int]

    def fit(self, terms: Iterable[int], of_page: bool) -> bool:
        """Whether these terms speak for what has them, by words of more than one character.

        Any does for a picture, whose few words are names and tags. A page has hundreds, and meets
        one by chance: it needs three, or half of those that are asked for.
        """
        there = {term for term in terms if len(self.typed.get(term, "")) > 1}
        if not there or not of_page:
            return bool(there)
        asked = {term for term in self.required if len(self.typed[term]) > 1}
        has = asked & there
        words = {self.typed[term] for term in has}
        return 2 * len(has) >= len(asked) or len(words) >= _WORDS_OF_PAGE

    def matched(self, terms: Iterable[int]) -> list[str]:
        """The words as typed that are among these terms, in the order of the query."""
        there = set(terms)
        return list(dict.fromkeys(word for term, word in self.typed.items() if term in there))


class Bm25Words:
    """Turns texts into vectors of words; the same for documents and queries of all times, for the
    index holds what came before."""

    def __init__(self) -> None:
        self._reader = TermReader()
        # The terms come ready made; what is left to the engine: ASCII folding of letters that do
        # not decompose (ø, ł), plurals, hashing, weighing. Its English stemmer leaves most words
        # of other languages alone, and what it does to them it does on both sides.
        self._model = edge.Bm25(
            edge.Bm25Config(
                k=_K,
                b=_B,
                avg_len=_AVERAGE_LENGTH,
                tokenizer=edge.TokenizerType.Whitespace,
                lowercase=True,
                ascii_folding=True,
                stopwords=edge.StopwordsSet(languages=set(), custom=set()),
                stemmer=edge.SnowballParams(edge.SnowballLanguage.English),
            )
        )

    def of_document(self, text: str, described: str = "") -> SparseVector:
        """What a text says, and again, as terms of their own, what a description says of it; empty
        when it has no words. What is over the limits is left out."""
        whole = self._weights(text)
        if described:
            shown = self._weights(described)
            whole |= {index | _DESCRIBED: value for index, value in shown.items()}
        indices = tuple(sorted(whole))
        return SparseVector(indices, tuple(whole[index] for index in indices))

    def of_query(self, text: str, in_descriptions: bool = False) -> QueryWords | None:
        """What a query asks for, anywhere or of descriptions only; None when it has no words."""
        typed: dict[int, str] = {}
        required: set[int] = set()
        for one in self._reader.query_terms(text[:_QUERY_CHARS])[:_QUERY_TERMS]:
            for number in self._model.embed_query(one.term).indices:
                index = int(number) | _DESCRIBED if in_descriptions else int(number)
                typed.setdefault(index, one.typed)
                if one.is_required:
                    required.add(index)
        if not typed:
            return None
        indices = tuple(sorted(typed))
        vector = SparseVector(indices, (1.0,) * len(indices))
        return QueryWords(vector, typed, frozenset(required))

    def _weights(self, text: str) -> dict[int, float]:
        terms = self._reader.document_terms(text[:_DOCUMENT_CHARS])[:_DOCUMENT_TERMS]
        vector = self._model.embed_document(" ".join(terms))
        return {
            int(index): float(value)
            for index, value in zip(vector.indices, vector.values, strict=True)
        }
