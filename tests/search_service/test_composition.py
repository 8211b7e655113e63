"""Queries of several parts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.composition import weighted_sum
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import picture_vector, some_points, unit, word_vector
from tests.search_service.requests import ids_in, upsert_of
from viewfinder.errors import ImageNotFound, ImageNotIndexed, InvalidRequest
from viewfinder.v1 import common_pb2, search_pb2


def text(words: str, weight: float) -> search_pb2.Example:
    return search_pb2.Example(text=words, weight=weight)


def image(number: int, weight: float) -> search_pb2.Example:
    return search_pb2.Example(image_id=str(UUID(int=number)), weight=weight)


def test_the_sum_is_weighted_and_of_length_one() -> None:
    vectors = some_points(3)[1]
    expected = unit(2 * vectors[0] + 0.5 * vectors[1] - vectors[2])
    assert weighted_sum(vectors, [2, 0.5, -1]) == pytest.approx(expected, abs=1e-6)


def test_parts_that_cancel_each_other_out_are_refused() -> None:
    vector = some_points(1)[1]
    with pytest.raises(InvalidRequest, match="cancel"):
        weighted_sum(np.concatenate([vector, vector]), [1, -1])


async def test_a_query_of_many_parts_finds_what_their_sum_finds(
    stub: Any, encoder: FakeEncoder
) -> None:
    vectors = some_points(200)[1]
    await stub.Upsert(upsert_of(vectors))
    parts = [text("a cat", -0.5), image(7, 1.5), image(8, -1)]
    answer = await stub.Search(
        search_pb2.SearchRequest(text="a dog", weight=2, also=parts, top_k=20)
    )
    query = unit(
        2 * word_vector("a dog") - 0.5 * word_vector("a cat") + 1.5 * vectors[6] - vectors[7]
    )
    order = [row + 1 for row in np.argsort(-(vectors @ query)) if row not in (6, 7)]
    assert ids_in(answer) == order[:20]
    assert answer.hits[0].score == pytest.approx((vectors @ query)[order[0] - 1], abs=1e-5)
    assert answer.compose_ms > 0


async def test_the_texts_of_a_query_are_embedded_in_one_call(
    stub: Any, encoder: FakeEncoder
) -> None:
    await stub.Upsert(upsert_of(some_points(3)[1]))
    parts = [text("a cat", -1), text("a dog", 1), text("a bird", 1)]
    await stub.Search(search_pb2.SearchRequest(text="a dog", also=parts, top_k=3))
    assert encoder.text_calls == [["a dog", "a cat", "a bird"]]


async def test_a_picture_and_words_are_searched_by_together(stub: Any) -> None:
    reds = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    both = unit(picture_vector(reds) + 2 * word_vector("at night"))
    await stub.Upsert(upsert_of(np.stack([picture_vector(reds), word_vector("at night"), both])))
    pixels = common_pb2.Pixels(data=reds.tobytes(), count=1, height=8, width=8)
    answer = await stub.Search(
        search_pb2.SearchRequest(pixels=pixels, also=[text("at night", 2)], top_k=1)
    )
    assert ids_in(answer) == [3]
    assert answer.hits[0].score == pytest.approx(1, abs=1e-5)


async def test_pictures_given_as_examples_are_not_found_themselves(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(5)[1]))
    answer = await stub.Search(
        search_pb2.SearchRequest(text="a dog", also=[image(1, 1), image(2, -1)], top_k=10)
    )
    assert sorted(ids_in(answer)) == [3, 4, 5]


async def test_an_example_that_has_no_vector_is_named(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(2)[1]))
    wanted = search_pb2.SearchRequest(text="a dog", also=[image(1, 1), image(99, 1)], top_k=10)
    with pytest.raises(ImageNotIndexed, match=str(UUID(int=99))):
        await stub.Search(wanted)
    wanted.also[1].image_id = "cat.jpg"
    with pytest.raises(ImageNotFound, match=r"cat\.jpg"):
        await stub.Search(wanted)


@pytest.mark.parametrize(
    ("field", "also"),
    [
        ("weights", [text("a dog", -1)]),
        ("examples", [text(str(number), 1) for number in range(18)]),
        ("examples[1].weight", [text("a", 1), text("b", 0)]),
        ("examples[0].weight", [text("a", float("nan"))]),
        ("examples[0].weight", [text("a", 1e9)]),
        ("examples[0]", [search_pb2.Example(weight=1)]),
    ],
)
async def test_wrong_parts_are_refused_naming_them(
    stub: Any, field: str, also: list[search_pb2.Example]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await stub.Search(search_pb2.SearchRequest(text="a dog", also=also, top_k=3))
    assert caught.value.field == field


async def test_one_word_alone_goes_to_the_encoder_alone(stub: Any, encoder: FakeEncoder) -> None:
    await stub.Upsert(upsert_of(some_points(3)[1]))
    answer = await stub.Search(search_pb2.SearchRequest(text="a dog", top_k=3))
    assert encoder.text_calls == []
    assert answer.compose_ms == 0
