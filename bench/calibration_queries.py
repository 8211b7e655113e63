"""Queries of which it is known what fits them, to fit and to judge a calibration on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.retrieval_dataset import Dataset, DatasetProblem
from embedding_service.encoders.base import FloatArray
from viewfinder.calibration import QueryKind

MAX_QUERIES = 2500
"""Of each sort: beyond that a fit gains nothing."""

FITS, FITS_NOT, UNKNOWN = 1, 0, -1

_LEAST_PICTURES = 3  # that a word must fit
_SHARED_WORDS = 0.5  # of a sentence's words said of a picture too: perhaps it fits as well
_SHARED_IDF = 0.5  # of the weight of what two pictures show
_LEAST_SHARED = 1.6  # natural log: what no more than a fifth of the pictures show

# Words of captions that name nothing one could see, or that every second picture shows.
_UNSEEN_WORDS = """
    a above across adult after against all along also an and another any are area around as at away
    back background base be being between big body both but by camera child children couple covered
    distance do does doing down each edge other few for from front get getting glasses group has
    have he her high him his hold holding holds image in inside into is it its itself just kid kids
    large left like little look looking looks made make making male female many middle more near
    next no nor not number object of off old older on one onto or out outside over people person
    photo picture play point put short show showing shown side sit sits sitting small some someone
    something stand standing stands take taken takes taking than that the their them then there
    these they thing this those three through to together top toward towards two under up use using
    very view was watch watches watching way wear wearing wears were what when where which while
    who with young
"""
_UNSEEN = frozenset(re.findall(r"\w+", _UNSEEN_WORDS))


@dataclass(frozen=True, eq=False)
class Judgements:
    """Queries of one sort, and pictures.

    `fits` int8 [n, m]: whether picture j fits query i: 1 yes, 0 no, -1 unknown. Vectors are
    float32 of length 1, `queries` [n, dim] and `pictures` [m, dim].
    """

    title: str
    kind: QueryKind
    queries: FloatArray
    pictures: FloatArray
    fits: NDArray[np.int8]

    def cosines(self) -> FloatArray:
        """float32 [n, m]."""
        return self.queries @ self.pictures.T

    def some(self, rows: NDArray[Any], columns: NDArray[Any], title: str = "") -> Judgements:
        """Of these queries and pictures; queries that nothing fits, or all, are left out."""
        fits = self.fits[rows][:, columns]
        kept = (fits == FITS).any(1) & (fits == FITS_NOT).any(1)
        return Judgements(
            title or self.title,
            self.kind,
            self.queries[rows][kept],
            self.pictures[columns],
            fits[kept],
        )


@dataclass(frozen=True)
class Split:
    """To fit on, in two folds of other pictures, and to judge: no picture and no query is in both.

    A curve is fitted on z-scores of pictures that the background has not seen, as it will not have
    seen a user's.
    """

    folds: tuple[Judgements, Judgements]
    held_out: Judgements


def fold_of(pictures: FloatArray, fold: int) -> FloatArray:
    """Vectors of the pictures of fold 0 or 1."""
    return pictures[2 * fold :: 4]


def split_queries(
    name: str,
    dataset: Dataset,
    pictures: FloatArray,
    embed: Callable[[Sequence[str]], FloatArray],
    needs: Collection[QueryKind] = ("text", "picture"),
) -> list[Split]:
    """Sentences, single words and pictures as queries, from a dataset's captions or labels.

    `pictures` float32 [m, dim] belong to `dataset.pictures`. A caption is written for one picture,
    yet others may fit it: pictures of which half its words are said are unknown to it, neither
    right nor wrong. A word fits what most captions of a picture say. Two pictures show the same
    when what is said of both is most of what is said of either, weighted by rarity.

    Raises:
        DatasetProblem: there is too little in it.
    """
    said = _Said(dataset)
    number = np.arange(len(pictures))
    found: list[Split] = []
    for title, kind, queries, fits, side in (
        ("sentences", "text", *_sentences(dataset, said, embed)),
        ("words", "text", *_words(said, embed)),
        ("pictures", "picture", *_pictures(said, pictures)),
    ):
        whole = Judgements(f"{name}: {title}", _kind(kind), queries, pictures, fits)
        # A word may be asked of both folds; what belongs to a picture only of its own.
        parts = [
            whole.some(side % 2 == 0 if title == "words" else side % 4 == 0, number % 4 == 0),
            whole.some(side % 2 == 0 if title == "words" else side % 4 == 2, number % 4 == 2),
            whole.some(side % 2 == 1, number % 2 == 1),
        ]
        if all(len(part.queries) for part in parts):
            found.append(Split((parts[0], parts[1]), parts[2]))
    if not {split.held_out.kind for split in found}.issuperset(needs):
        raise DatasetProblem(
            f"{name} says too little: a calibration needs texts that fit some pictures and not"
            " others, and pictures that show the same. Some hundreds of pictures will do"
        )
    return found


def _kind(text: str) -> QueryKind:
    return "text" if text == "text" else "picture"


class _Said:
    """How often words are said of each picture; plurals count as their singulars."""

    def __init__(self, dataset: Dataset) -> None:
        count = len(dataset.pictures)
        self.texts = np.zeros(count, np.int64)
        bags: list[Counter[str]] = [Counter() for _ in range(count)]
        spellings: dict[str, Counter[str]] = {}
        for query in dataset.queries:
            found = words_of(query.text)
            for stem, spelling in found.items():
                spellings.setdefault(stem, Counter())[spelling] += 1
            for picture in query.right:
                self.texts[picture] += 1
                bags[picture].update(found.keys())
        self.words = sorted(spellings)
        self.number = {word: number for number, word in enumerate(self.words)}
        self.spelling = [spellings[word].most_common(1)[0][0] for word in self.words]
        self.counts = np.zeros((count, len(self.words)), np.float32)
        for picture, bag in enumerate(bags):
            for word, times in bag.items():
                self.counts[picture, self.number[word]] = times

    def surely(self) -> NDArray[np.bool_]:
        """[pictures, words]: said by two at least, where three or more describe the picture."""
        wanted = np.where(self.texts >= 3, 2, 1)
        return self.counts >= wanted[:, None]


def words_of(text: str) -> dict[str, str]:
    """Stem to spelling of the words that name something one can see."""
    found = {}
    for word in re.findall(r"[^\W\d_]{3,}", text.lower()):
        stem = word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "su" else word
        if word not in _UNSEEN and stem not in _UNSEEN:
            found[stem] = word
    return found


_Made = tuple[FloatArray, NDArray[np.int8], NDArray[np.int64]]


def _sentences(
    dataset: Dataset, said: _Said, embed: Callable[[Sequence[str]], FloatArray]
) -> _Made:
    chosen = _spread(len(dataset.queries))
    queries = [dataset.queries[number] for number in chosen]
    mentioned = np.zeros((len(queries), len(said.words)), np.float32)
    for row, query in enumerate(queries):
        mentioned[row, [said.number[stem] for stem in words_of(query.text)]] = 1
    shared = mentioned @ (said.counts > 0).T.astype(np.float32)
    fits = np.where(
        shared >= _SHARED_WORDS * np.maximum(mentioned.sum(1, keepdims=True), 1), UNKNOWN, FITS_NOT
    ).astype(np.int8)
    for row, query in enumerate(queries):
        fits[row, list(query.right)] = FITS
    # A picture's captions stay on its side; a label's pictures are on both, so by its number.
    sides = [query.right[0] if len(query.right) == 1 else query.group for query in queries]
    return embed([query.text for query in queries]), fits, np.array(sides)


def _words(said: _Said, embed: Callable[[Sequence[str]], FloatArray]) -> _Made:
    surely = said.surely()
    often = np.flatnonzero(surely.sum(0) >= _LEAST_PICTURES)
    often = often[_spread(len(often))]
    fits = np.where(surely, FITS, np.where(said.counts > 0, UNKNOWN, FITS_NOT))[:, often].T
    vectors = embed([said.spelling[word] for word in often]) if len(often) else None
    return (
        np.zeros((0, 0), np.float32) if vectors is None else vectors,
        fits.astype(np.int8),
        np.arange(len(often)),
    )


def _pictures(said: _Said, pictures: FloatArray) -> _Made:
    surely = said.surely()
    idf = np.log(len(pictures) / np.maximum(surely.sum(0), 1)).astype(np.float32)
    chosen = _spread(len(pictures))
    shown = surely.astype(np.float32)
    mentioned = (said.counts > 0).astype(np.float32)
    shared = (shown[chosen] * idf) @ shown.T
    whole = shown @ idf
    most = np.maximum(whole[chosen][:, None], whole[None])
    alike = (shared >= _SHARED_IDF * most) & (shared >= _LEAST_SHARED)
    apart = (shown[chosen] @ mentioned.T == 0) & (mentioned[chosen] @ shown.T == 0)
    apart &= (whole[chosen][:, None] > 0) & (whole[None] > 0)
    fits = np.where(alike, FITS, np.where(apart, FITS_NOT, UNKNOWN)).astype(np.int8)
    fits[np.arange(len(chosen)), chosen] = UNKNOWN  # itself
    return pictures[chosen], fits, chosen


def _spread(count: int) -> NDArray[np.int64]:
    """So many of `count` as are looked at, from all over; the same every time."""
    if count <= MAX_QUERIES:
        return np.arange(count)
    chosen = np.random.default_rng(0).choice(count, MAX_QUERIES, replace=False)
    return np.sort(chosen).astype(np.int64)
