"""The terms of a text: what counts as a word in file names, tags and prose of any language.

`IMG_1234.jpg`, `img 1234` and `1234` shall all meet; so a name gives its parts and itself as one.
Scripts without spaces give pairs of characters, as Lucene's CJKAnalyzer does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from viewfinder.stop_words import STOP_WORDS

_LONGEST_TERM = 64
_CONNECTOR = "_"
_CONNECTORS = frozenset("_-\u2010\u2011+'\u2019`~#@&=*\u00b7")
_JOINERS = frozenset("\u200b\u200c\u200d\u00ad\ufeff\u0640")  # invisible, or only for looks
_EXTENSION = re.compile(
    r"\.(?:jpe?g|jpe|jfif|png|webp|gif|bmp|dib|tiff?|hei[cf]s?|hif|avif|pdf)$", re.IGNORECASE
)
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_SCRIPTS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
UNSPACED = re.compile(f"[{_UNSPACED}]")
_NAME_PART = re.compile(rf"[^{_CONNECTOR}.]+")
_CAMEL = re.compile(r"(?<=[a-z\u00df-\u00ff\u0430-\u044f])(?=[A-Z\u00c0-\u00de\u0410-\u042f])")
_ACRONYM = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])")
_LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")
_AROUND_WORDS = ".,;:!?\"'()[]{}<>\u00ab\u00bb\u201c\u201d\u201e"
_MOST_PIECES = 3  # of letters and digits in turn; what has more is a hash or a key, no name


@dataclass(frozen=True)
class QueryTerm:
    """A term and the word, as typed, that it came from. A text that has all required terms has the
    whole query."""

    term: str
    typed: str
    is_required: bool


class TermReader:
    """Reads terms. Keeps what it learned of characters, so one of them serves many texts."""

    def __init__(self) -> None:
        self._characters = _CharacterTable()

    def document_terms(self, text: str) -> list[str]:
        """All terms, with repetitions, case folded."""
        return [term for chunk in self._chunks(text) for term, _ in _terms(chunk, is_query=False)]

    def query_terms(self, text: str) -> list[QueryTerm]:
        """Distinct terms. Words that say nothing are left out unless there is nothing else."""
        found = [
            QueryTerm(term, word.strip(_AROUND_WORDS) or word, is_required)
            for word in text.split()
            for chunk in self._chunks(word)
            for term, is_required in _terms(chunk, is_query=True)
        ]
        telling = [one for one in found if one.term not in STOP_WORDS]
        distinct: dict[str, QueryTerm] = {}
        for one in telling or found:
            distinct.setdefault(one.term, one)
        return list(distinct.values())

    def _chunks(self, text: str) -> list[str]:
        """Words and file names: what stands between spaces and punctuation."""
        # One character may decompose into 18.
        decomposed = unicodedata.normalize("NFKD", text)[: 2 * len(text) + 64]
        split = decomposed.translate(self._characters)
        return unicodedata.normalize("NFKC", split).split()


class _CharacterTable(dict[int, str | None]):
    """For `str.translate` of NFKD text: separators to spaces, connectors to one, no accents."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        found = self[code] = _translated(character, code)
        return found


def _translated(character: str, code: int) -> str | None:
    if character in _CONNECTORS:
        return _CONNECTOR
    if character == ".":
        return character
    if character in _JOINERS or 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF:
        return None
    if 0x0300 <= code <= 0x036F or 0x0591 <= code <= 0x05C7 or 0x064B <= code <= 0x065F:
        return None  # accents of Latin, Greek and Cyrillic; points of Hebrew and Arabic
    category = unicodedata.category(character)
    if category == "So":
        return f" {character} "
    return " " if category[0] in "ZPSC" else character


def _terms(chunk: str, is_query: bool) -> list[tuple[str, bool]]:
    """Terms, and whether each is required."""
    if not any(character not in "._" for character in chunk):
        return []
    terms: list[tuple[str, bool]] = []
    for run in _SCRIPTS.findall(_EXTENSION.sub("", chunk)):
        if UNSPACED.match(run):
            terms += [(pair, True) for pair in _pairs(run, is_query)]
        else:
            terms += _name_terms(run, is_query)
    return [(term[:_LONGEST_TERM], is_required) for term, is_required in terms]


def _pairs(run: str, is_query: bool) -> list[str]:
    pairs = [run[start : start + 2] for start in range(len(run) - 1)]
    if is_query and pairs:
        return pairs  # single characters would find too much
    return [*pairs, *run]


def _name_terms(run: str, is_query: bool) -> list[tuple[str, bool]]:
    parts = _NAME_PART.findall(run)
    if not parts:
        return []
    pieces: list[str] = []
    for part in parts:
        pieces += _pieces(part)
    whole = "".join(parts).casefold()
    telling = [piece for piece in pieces if len(piece) > 1 or piece.isdigit()]
    terms = telling if len(parts) > 1 or len(pieces) > 1 else pieces
    parts_say_all = len(terms) == len(pieces)
    found = [(term, parts_say_all) for term in terms]
    if not is_query:
        found += [(term.lstrip("0"), False) for term in terms if _is_padded(term)]
    return found if whole in terms else [*found, (whole, not parts_say_all)]


def _pieces(part: str) -> list[str]:
    """`HolidayBeach2021` as holiday, beach, 2021."""
    pieces: list[str] = []
    for word in _ACRONYM.sub(" ", _CAMEL.sub(" ", part)).split():
        runs = _LETTERS_OR_DIGITS.findall(word)
        pieces += runs if len(runs) <= _MOST_PIECES else [word]
    return [piece.casefold() for piece in pieces]


def _is_padded(piece: str) -> bool:
    return piece.isdigit() and piece[0] == "0" and piece.strip("0") != ""
