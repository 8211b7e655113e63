"""Hits by look and by word made one list."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from uuid import UUID

import pytest

from search_service.fusion import DEPTH, RANK_CONSTANT, ListWeights, Ranked, WordSearch, fuse
from search_service.mode import AUTO, HYBRID, Mode, word_search
from search_service.vector_index import IndexQuery, ScoredPoint, SparseVector
from search_service.words import Bm25Words, QueryWords

RED, DOG = 1, 2
WORDS = QueryWords(
    SparseVector((RED, DOG), (1.0, 1.0)), {RED: "red", DOG: "dogs"}, frozenset({RED, DOG})
)


def hit(number: int, *matched: int) -> ScoredPoint:
    return ScoredPoint(UUID(int=number), 1 / number, {}, matched=matched)


def numbers(hits: list[ScoredPoint]) -> list[int]:
    return [one.id.int for one in hits]


def joined(
    weights: ListWeights, by_look: list[ScoredPoint], by_words: list[ScoredPoint]
) -> list[ScoredPoint]:
    return fuse(by_look, [WordSearch(WORDS, weights).ranked(by_words)], weights.look)


def plain_rrf(by_look: list[int], by_words: list[tuple[int, float]]) -> list[int]:
    """As Cormack, Clarke and Buettcher wrote it down, with a weight for every picture's words."""
    weights = dict(by_words)
    named = [number for number, _ in by_words]

    def value(number: int) -> float:
        total = 0.0
        if number in by_look[:DEPTH] or (number in by_look and number not in named):
            total += 1 / (RANK_CONSTANT + by_look.index(number))
        if number in named:
            total += weights[number] / (RANK_CONSTANT + named.index(number))
        return total

    return sorted({*by_look, *named}, key=lambda number: (-value(number), number))


@pytest.mark.parametrize("seed", range(20))
def test_the_order_is_that_of_plain_reciprocal_rank_fusion(seed: int) -> None:
    dice = random.Random(seed)
    look = dice.sample(range(1, 400), dice.choice([5, 100, 250]))
    named = dice.sample(range(1, 400), dice.choice([1, 40, 100]))
    whole = {number for number in named if dice.random() < 0.1}
    weights = ListWeights(some=0.5, all=2.0)
    by_words = [hit(n, *((RED, DOG) if n in whole else (DOG,))) for n in named]
    fused = joined(weights, [hit(n) for n in look], by_words)
    assert numbers(fused) == plain_rrf(look, [(n, 2.0 if n in whole else 0.5) for n in named])


def test_the_words_found_are_told_also_of_what_was_found_by_look() -> None:
    fused = joined(HYBRID, [hit(1), hit(2)], [hit(2, DOG), hit(3, RED)])
    assert {one.id.int: one.matched for one in fused} == {1: (), 2: (DOG,), 3: (RED,)}


def test_a_picture_that_has_all_the_words_comes_first() -> None:
    by_look = [hit(number) for number in range(1, 101)]
    for weights in (AUTO, HYBRID):
        fused = joined(weights, by_look, [hit(7000, DOG, RED)])
        assert fused[0].id.int == 7000


def test_some_of_the_words_only_nudge() -> None:
    by_look = [hit(number) for number in range(1, 101)]
    fused = joined(AUTO, by_look, [hit(7000, DOG), hit(3, DOG)])
    assert numbers(fused)[:3] == [3, 1, 2]
    assert numbers(fused).index(7000) > 20


def test_words_that_many_pictures_have_do_not_rule_unless_asked_for() -> None:
    by_look = [hit(number) for number in range(1, 101)]
    by_words = [hit(number, DOG, RED) for number in range(7000, 7011)]
    assert joined(AUTO, by_look, by_words)[0].id.int == 1
    assert joined(AUTO, by_look, by_words[:10])[0].id.int == 7000
    assert joined(HYBRID, by_look, by_words)[0].id.int == 7000


def test_a_page_counts_by_the_share_of_the_words_it_has() -> None:
    words = QueryWords(SparseVector((1, 2, 3, 4, 5), (1.0,) * 5), {}, frozenset({1, 2, 3, 4, 5}))
    page = {"document": "d"}
    hits = [
        hit(1, 1, 2, 3, 4)._replace(payload=page),  # nothing has the fifth
        hit(2, 1, 2, 3)._replace(payload=page),
        hit(3, 1, 2)._replace(payload=page),
        hit(4, 1)._replace(payload=page),
        hit(5, 1, 2, 3, 4),  # of a picture's name all count or some do
    ]
    weights = WordSearch(words, ListWeights(0.5, 2.0, by_share=True)).ranked(hits).weights
    assert weights == [2.0, 1.25, 0.5, 0.5, 0.5]


def test_a_deeper_list_goes_on_where_the_shorter_one_ends() -> None:
    by_words = [hit(number, DOG) for number in (150, 7000, 20)]
    short = joined(HYBRID, [hit(number) for number in range(1, DEPTH + 1)], by_words)
    deep = joined(HYBRID, [hit(number) for number in range(1, 301)], by_words)
    assert numbers(deep)[: len(short)] == numbers(short)


def test_a_page_is_worth_the_sum_of_its_places() -> None:
    look = [hit(number) for number in range(1, 11)]
    words = Ranked([hit(5), hit(6)], [1.0, 1.0])
    rows = Ranked([hit(6), hit(5), hit(40)], [1.0, 1.0, 1.0])
    # 5 and 6 are first and second in turn, but 5 looks better.
    assert numbers(fuse(look, [words, rows]))[:2] == [5, 6]
    assert numbers(fuse(look, [words, rows], look=0.0))[:3] == [5, 6, 40]


def test_what_any_list_knows_of_a_page_is_told() -> None:
    by_rows = hit(2)._replace(score=math.nan, late=0.7)
    by_words = hit(2, DOG)._replace(payload={"page": 3})
    told = fuse([hit(1)], [Ranked([by_words], [1.0]), Ranked([by_rows], [1.0])])[0]
    assert told == ScoredPoint(UUID(int=2), 0.5, {"page": 3}, None, (DOG,), 0.7)
    assert fuse([hit(2)._replace(score=0.25)], [Ranked([by_rows], [1.0])])[0].score == 0.25


@pytest.mark.parametrize(
    ("query", "text", "is_whole"),
    [
        ("IMG_1234", "img-1234.jpg", True),
        ("IMG_1234", "IMG_1235.jpg", False),
        ("img 1234", "IMG_1234.jpg", True),
        ("the red dogs", "Red Dog.png", True),
        ("red dogs", "red.png", False),
        ("iPhone", "iphone 12", True),
        ("R2-D2", "2.jpg", False),
        ("写真", "写真.png", True),
    ],
)
def test_a_text_has_the_whole_query_or_not(query: str, text: str, is_whole: bool) -> None:
    words = Bm25Words()
    asked = words.of_query(query)
    assert asked is not None
    assert asked.required
    assert (asked.required <= set(words.of_document(text).indices)) is is_whole


def test_visual_knows_no_words() -> None:
    words = Bm25Words()
    assert word_search("a dog", "visual", words) is None
    assert word_search("?!", "hybrid", words) is None
    found = word_search("a dog", "auto", words)
    assert found is not None
    assert replace(found, weights=HYBRID) == word_search("a dog", "hybrid", words)


@pytest.mark.parametrize(("mode", "depth"), [("auto", 40), ("hybrid", 100)])
async def test_so_many_are_found_by_words(mode: Mode, depth: int) -> None:
    words = word_search("a dog", mode, Bm25Words())
    assert words is not None
    limits = []

    async def search(asked: IndexQuery) -> list[ScoredPoint]:
        limits.append(asked.limit)
        return []

    assert await words.hits(IndexQuery(None, 10), search) == []
    assert limits == [depth]


def test_the_more_words_a_text_has_the_more_it_is_worth_but_one_may_be_chance() -> None:
    grown = [HYBRID.of_some(has, 5) for has in range(1, 5)]
    assert grown == sorted(grown)
    assert grown[0] == HYBRID.some
    assert grown[2] > HYBRID.look
    assert grown[3] == HYBRID.all
    careful = [AUTO.of_some(has, 5) for has in range(1, 5)]
    assert careful[:2] == [AUTO.some] * 2
    assert AUTO.some < careful[2] < grown[2]


def test_a_page_with_most_words_comes_before_what_only_looks_right() -> None:
    asked = range(5)
    words = QueryWords(
        SparseVector(tuple(asked), (1.0,) * 5), dict.fromkeys(asked, ""), frozenset(asked)
    )
    look = [hit(number) for number in range(1, 60)]
    by_words = [hit(59, 0, 1, 2), *(hit(number, 0) for number in range(2, 30))]
    best = fuse(look, [WordSearch(words, HYBRID).ranked(by_words)], HYBRID.look)[0]
    assert best.id.int == 59
