"""Synthetic pages of a document encoder: matrices of rows with the structure that pages have.

The recipe: there are topics, unit vectors at random. A document has a dozen of them; each of its
pages (five a document) is made of regions, as lines and paragraphs are: a region is some rows in a
row, near one of the document's topics or, for one region in four, near a topic of all. A region
has noise of its own, and each row its own: two rows of one region have a cosine of about 0.6, of
one topic on different pages 0.4, and else about 0. So pages of a document are much alike, and what
tells them apart is in few of their rows.

A query is tokens near rows of four regions of one page, with noise (cosine about 0.75), and one in
four that says nothing: near a topic of all. That page is what is looked for; the others of its
document count for a third.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

PAGES_A_DOCUMENT = 5
_TOPICS_A_DOCUMENT = 12
_COMMON_TOPICS = 30
_REGIONS = 28
_COMMON_SHARE = 0.25
_REGION_NOISE = 0.7
_ROW_NOISE = 0.8
_QUERY_REGIONS = 4
_QUERY_NOISE = 0.85


@dataclass(frozen=True)
class PagesRecipe:
    """The same recipe gives the same pages; `rows` of each, `dim` numbers of a row."""

    pages: int
    rows: int
    dim: int = 128
    seed: int = 0


@dataclass(frozen=True)
class PageQuery:
    """`tokens` [n, dim]; `page` is looked for, `alike` are the others of its document."""

    tokens: FloatArray
    page: int
    alike: tuple[int, ...]


class SyntheticPages:
    """Makes pages, each from its number alone, and queries for them."""

    def __init__(self, recipe: PagesRecipe) -> None:
        self.recipe = recipe
        dice = np.random.default_rng((recipe.seed, 0))
        self._common = _directions(dice, _COMMON_TOPICS, recipe.dim)

    def page(self, number: int) -> FloatArray:
        """The rows [rows, dim] of this page, each of length 1."""
        recipe = self.recipe
        document = np.random.default_rng((recipe.seed, 1, number // PAGES_A_DOCUMENT))
        topics = _directions(document, _TOPICS_A_DOCUMENT, recipe.dim)
        dice = np.random.default_rng((recipe.seed, 2, number))
        centres = topics[dice.integers(len(topics), size=_REGIONS)]
        common = dice.random(_REGIONS) < _COMMON_SHARE
        centres[common] = self._common[dice.integers(_COMMON_TOPICS, size=int(common.sum()))]
        regions = _near(dice, centres, _REGION_NOISE)
        return _near(dice, regions[_region_of_rows(recipe.rows)], _ROW_NOISE)

    def query(self, number: int, tokens: int) -> PageQuery:
        """The query of this number, of so many tokens."""
        recipe = self.recipe
        dice = np.random.default_rng((recipe.seed, 3, number))
        page = int(dice.integers(recipe.pages))
        of_row = _region_of_rows(recipe.rows)
        regions = dice.choice(_REGIONS, _QUERY_REGIONS, replace=False)
        rows = dice.choice(np.flatnonzero(np.isin(of_row, regions)), tokens)
        wanted = _near(dice, self.page(page)[rows], _QUERY_NOISE)
        empty = dice.random(tokens) < _COMMON_SHARE
        general = self._common[dice.integers(_COMMON_TOPICS, size=int(empty.sum()))]
        wanted[empty] = _near(dice, general, _QUERY_NOISE)
        first = page - page % PAGES_A_DOCUMENT
        document = range(first, min(first + PAGES_A_DOCUMENT, recipe.pages))
        return PageQuery(wanted, page, tuple(other for other in document if other != page))


def _region_of_rows(rows: int) -> NDArray[np.int64]:
    return np.arange(rows) * _REGIONS // rows


def _directions(dice: np.random.Generator, count: int, dim: int) -> FloatArray:
    return _unit(dice.standard_normal((count, dim), np.float32))


def _near(dice: np.random.Generator, centres: FloatArray, noise: float) -> FloatArray:
    """Each plus noise of this length, which in many dimensions is at right angles to it."""
    return _unit(centres + noise * _directions(dice, *centres.shape))


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)
