"""Batching, the text cache, and what is refused."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from embedding_service.batching import BatchingLane
from embedding_service.embedder import Embedder
from embedding_service.encoders.base import FloatArray
from tests.embedding_service.conftest import (
    HistogramEncoder,
    picture_vector,
    some_pictures,
    text_vector,
)
from viewfinder.errors import DeadlineExceeded, InvalidRequest, Overloaded


async def hold_up(encoder: HistogramEncoder, embedder: Embedder) -> asyncio.Task[FloatArray]:
    """A first text call that is in the model and stays there until `may_run` is set."""
    encoder.may_run.clear()
    first = asyncio.create_task(embedder.embed_texts(["first"], None))
    await asyncio.to_thread(encoder.running.wait, 10)
    return first


async def test_every_text_gets_its_own_vector_in_order(embedder: Embedder) -> None:
    texts = [f"text {number}" for number in range(11)]
    vectors = await embedder.embed_texts(texts, None)
    np.testing.assert_array_equal(vectors, [text_vector(text) for text in texts])


async def test_every_picture_gets_its_own_vector_in_order(embedder: Embedder) -> None:
    pictures = some_pictures(19)
    vectors = await embedder.embed_images(pictures, None)
    np.testing.assert_array_equal(vectors, [picture_vector(picture) for picture in pictures])


async def test_an_idle_lane_does_not_wait_for_company(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    await embedder.embed_texts(["alone"], None)
    assert encoder.text_runs == [["alone"]]


async def test_calls_that_come_while_the_model_runs_share_the_next_runs(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    first = await hold_up(encoder, embedder)
    others = [asyncio.create_task(embedder.embed_texts([f"t{n}"], None)) for n in range(8)]
    await asyncio.sleep(0)
    encoder.may_run.set()
    vectors = await asyncio.gather(first, *others)
    assert [len(run) for run in encoder.text_runs] == [1, 4, 4]
    for number, rows in enumerate(vectors[1:]):
        np.testing.assert_array_equal(rows[0], text_vector(f"t{number}"))


async def test_a_text_does_not_wait_for_pictures(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    encoder.may_run_images.clear()
    pictures = asyncio.create_task(embedder.embed_images(some_pictures(32), None))
    await asyncio.to_thread(encoder.running.wait, 10)
    await embedder.embed_texts(["a cat"], None)
    assert not pictures.done()
    encoder.may_run_images.set()
    assert (await pictures).shape == (32, 8)


async def test_one_picture_is_in_the_next_run_however_many_others_wait(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    encoder.may_run_images.clear()
    many = asyncio.create_task(embedder.embed_images(some_pictures(32), None))
    await asyncio.to_thread(encoder.running.wait, 10)
    one = asyncio.create_task(embedder.embed_images(some_pictures(1, seed=1), None))
    await asyncio.sleep(0)
    encoder.may_run_images.set()
    await one
    assert len(encoder.image_runs) <= 2
    assert not many.done()
    await many
    assert max(encoder.image_runs) == 8


async def test_a_call_whose_time_is_over_costs_nothing(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    first = await hold_up(encoder, embedder)
    late = asyncio.create_task(embedder.embed_texts(["late"], 0.001))
    await asyncio.sleep(0.02)
    encoder.may_run.set()
    with pytest.raises(DeadlineExceeded):
        await late
    await first
    assert encoder.text_runs == [["first"]]


async def test_a_call_that_was_given_up_costs_nothing(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    first = await hold_up(encoder, embedder)
    given_up = asyncio.create_task(embedder.embed_texts(["nobody waits"], None))
    await asyncio.sleep(0)
    given_up.cancel()
    encoder.may_run.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert encoder.text_runs == [["first"]]


async def test_a_text_that_breaks_the_model_breaks_nobody_elses(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    first = await hold_up(encoder, embedder)
    calls = [
        asyncio.create_task(embedder.embed_texts([text], None)) for text in ("a", "poison", "b")
    ]
    await asyncio.sleep(0)
    encoder.may_run.set()
    answers = await asyncio.gather(first, *calls, return_exceptions=True)
    assert isinstance(answers[2], ArithmeticError)
    np.testing.assert_array_equal(answers[1], [text_vector("a")])
    np.testing.assert_array_equal(answers[3], [text_vector("b")])
    assert (await embedder.embed_texts(["c"], None)).shape == (1, 8)


async def test_vectors_that_are_not_finite_are_never_given_out() -> None:
    lane: BatchingLane[str] = BatchingLane(
        "test", lambda rows: np.full((len(rows), 2), np.nan, np.float32), 4, 100
    )
    with pytest.raises(ArithmeticError):
        await lane.embed(["a"])
    await lane.close()


async def test_more_than_can_wait_is_refused(embedder: Embedder, encoder: HistogramEncoder) -> None:
    first = await hold_up(encoder, embedder)
    queued = [
        asyncio.create_task(embedder.embed_texts([f"{call}-{n}" for n in range(32)], None))
        for call in range(33)
    ]
    answers_then = asyncio.gather(first, *queued, return_exceptions=True)
    await asyncio.sleep(0)
    encoder.may_run.set()
    answers = await answers_then
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 1


async def test_a_text_is_embedded_once_however_it_is_spaced(
    embedder: Embedder, encoder: HistogramEncoder
) -> None:
    first = await embedder.embed_texts(["a  cat "], None)
    second = await embedder.embed_texts(["a cat", "a cat", "\ta\ncat"], None)
    np.testing.assert_array_equal(second, [first[0]] * 3)
    assert encoder.text_runs == [["a cat"]]


async def test_the_cache_forgets_what_was_asked_longest_ago(encoder: HistogramEncoder) -> None:
    embedder = Embedder(encoder, text_batch=4, image_batch=8, text_cache_size=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await embedder.embed_texts([text], None)
    assert encoder.text_runs == [["a"], ["b"], ["c"], ["b"]]
    await embedder.close()


async def test_without_a_cache_every_text_is_embedded(encoder: HistogramEncoder) -> None:
    embedder = Embedder(encoder, text_batch=4, image_batch=8, text_cache_size=0)
    for _ in range(2):
        await embedder.embed_texts(["a"], None)
    assert encoder.text_runs == [["a"], ["a"]]
    await embedder.close()


@pytest.mark.parametrize("texts", [[], ["a"] * 33, [""], [" \n"], ["a", "x" * 513]])
async def test_texts_beyond_the_limits_are_refused(
    embedder: Embedder, encoder: HistogramEncoder, texts: list[str]
) -> None:
    with pytest.raises(InvalidRequest):
        await embedder.embed_texts(texts, None)
    assert encoder.text_runs == []


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (33, 4, 4, 3), (1, 5, 5, 3), (1, 4, 8, 3)])
async def test_pictures_beyond_the_limits_are_refused(
    embedder: Embedder, encoder: HistogramEncoder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidRequest):
        await embedder.embed_images(np.zeros(shape, np.uint8), None)
    assert encoder.image_runs == []
