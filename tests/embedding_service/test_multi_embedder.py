"""Matrices through the lanes and over gRPC: texts and pages of various lengths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from embedding_service.batching import BatchingLane
from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.multi_embedder import MultiVectorEmbedder
from embedding_service.service import EmbeddingAdapter
from tests.embedding_service.conftest import no_other
from tests.embedding_service.letter_documents import (
    DIM,
    LetterEncoder,
    columns,
    letters,
    some_pages,
)
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import common_pb2, embedding_pb2


@pytest.fixture
def pages_encoder() -> LetterEncoder:
    return LetterEncoder()


@pytest.fixture
async def documents(pages_encoder: LetterEncoder) -> AsyncIterator[MultiVectorEmbedder]:
    embedder = MultiVectorEmbedder(pages_encoder, text_batch=4, text_cache_size=160)
    yield embedder
    pages_encoder.may_run.set()
    await embedder.close()


@pytest.fixture
def adapter(embedder: Embedder, documents: MultiVectorEmbedder) -> Any:
    # Its own methods, so that what others add to the service need not be there.
    class Served(EmbeddingAdapter):
        ReadPicture: Any = None
        Explain: Any = None

    made: Any = Served
    return made(EmbedderSet(embedder, no_other, documents))


def matrices_of(message: common_pb2.MultiVectors) -> list[Any]:
    rows = np.frombuffer(message.data, "<f4").reshape(-1, message.dim)
    ends = np.cumsum(message.rows)
    assert ends[-1] == len(rows)
    return np.split(rows, ends[:-1])


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def sized(pages: list[Any]) -> list[common_pb2.Pixels]:
    return [
        common_pb2.Pixels(data=p.tobytes(), count=1, height=p.shape[0], width=p.shape[1])
        for p in pages
    ]


async def test_every_text_and_page_gets_its_own_matrix_in_order(
    documents: MultiVectorEmbedder,
) -> None:
    texts = ["a", "longer", "the longest of them", "b", "two words"]
    assert_same(await documents.embed_texts(texts, None), [letters(text) for text in texts])
    pages = some_pages(8, 32, 4)
    assert_same(await documents.embed_images(pages, None), [columns(page) for page in pages])


async def test_callers_of_texts_of_various_lengths_share_runs(
    documents: MultiVectorEmbedder, pages_encoder: LetterEncoder
) -> None:
    pages_encoder.may_run.clear()
    texts = ["x" * (n + 1) for n in range(5)]
    calls = [asyncio.create_task(documents.embed_texts([text], None)) for text in texts]
    await asyncio.sleep(0.01)
    pages_encoder.may_run.set()
    answers = await asyncio.gather(*calls)
    assert_same([answer[0] for answer in answers], [letters(text) for text in texts])
    assert len(pages_encoder.runs) < len(texts)


async def test_a_text_that_breaks_the_run_breaks_nobody_elses(
    documents: MultiVectorEmbedder, pages_encoder: LetterEncoder
) -> None:
    pages_encoder.may_run.clear()
    calls = [
        asyncio.create_task(documents.embed_texts([text], None))
        for text in ("first", "a", "poison", "b")
    ]
    await asyncio.sleep(0.01)
    pages_encoder.may_run.set()
    answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[2], ArithmeticError)
    assert_same([answers[1][0], answers[3][0]], [letters("a"), letters("b")])


async def test_a_matrix_that_is_not_finite_is_never_given_out() -> None:
    lane: BatchingLane[str] = BatchingLane(
        "test", lambda rows: [np.full((3, 2), np.nan, np.float32)] * len(rows), 4, 100
    )
    with pytest.raises(ArithmeticError):
        await lane.embed(["a"])
    await lane.close()


async def test_texts_are_remembered(
    documents: MultiVectorEmbedder, pages_encoder: LetterEncoder
) -> None:
    await documents.embed_texts(["again"], None)
    assert_same(await documents.embed_texts(["again", "new"], None), [letters("again"),
                                                                      letters("new")])  # fmt: skip
    assert pages_encoder.runs == [1, 1]


@pytest.mark.parametrize("shape", [(8, 30, 3), (6, 8, 3), (8, 8, 4), (8, 68, 3), (0, 8, 3)])
async def test_pages_of_other_sizes_than_the_spec_allows_are_refused(
    documents: MultiVectorEmbedder, pages_encoder: LetterEncoder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidRequest, match="multiples of 4, at most 256 pixels"):
        await documents.embed_images([np.zeros(shape, np.uint8)], None)
    assert pages_encoder.runs == []


async def test_more_pages_than_a_call_may_bring_are_refused(
    documents: MultiVectorEmbedder,
) -> None:
    for pages in ([], some_pages(*[8] * 5)):
        with pytest.raises(InvalidRequest, match=r"1\.\.4 a call"):
            await documents.embed_images(pages, None)


async def test_the_service_tells_the_encoder_for_pages(adapter: Any) -> None:
    answer = await adapter.GetSpec(embedding_pb2.GetSpecRequest(document=True), None)
    assert (answer.spec.name, answer.spec.kind, answer.spec.dim) == ("letters", "multivector", DIM)
    assert answer.spec.pixels.resize_mode == "within"
    assert (answer.spec.pixels.multiple, answer.spec.pixels.max_pixels) == (4, 256)
    assert answer.max_batch == 4
    default = await adapter.GetSpec(embedding_pb2.GetSpecRequest(), None)
    assert default.spec.name == "histogram"


async def test_where_no_document_model_is_chosen_there_is_no_spec(adapter: Any) -> None:
    adapter._embedders.document = None
    answer = await adapter.GetSpec(embedding_pb2.GetSpecRequest(document=True), None)
    assert not answer.HasField("spec")


async def test_matrices_go_over_the_wire(adapter: Any) -> None:
    texts = ["short", "a longer one"]
    request = embedding_pb2.EmbedTextRequest(texts=texts, encoder="letters")
    answer = await adapter.EmbedText(request, None)
    assert_same(matrices_of(answer.multi), [letters(text) for text in texts])
    assert not answer.HasField("vectors")
    pages = some_pages(16, 4)
    images = embedding_pb2.EmbedImagesRequest(sized=sized(pages), encoder="letters")
    answer = await adapter.EmbedImages(images, None)
    assert_same(matrices_of(answer.multi), [columns(page) for page in pages])
    assert answer.spec.revision == "l1"


async def test_pixels_that_are_not_one_picture_each_are_refused(adapter: Any) -> None:
    (wrong,) = sized(some_pages(8))
    wrong.count = 2
    wrong.data *= 2
    request = embedding_pb2.EmbedImagesRequest(sized=[wrong], encoder="letters")
    with pytest.raises(InvalidRequest, match=r"sized\.count is 2"):
        await adapter.EmbedImages(request, None)
    with pytest.raises(InvalidRequest, match="0 pages"):
        await adapter.EmbedImages(
            embedding_pb2.EmbedImagesRequest(
                pixels=common_pb2.Pixels(data=b"", count=0), encoder="letters"
            ),
            None,
        )


async def test_words_are_mapped_over_the_page(documents: MultiVectorEmbedder) -> None:
    found = await documents.explain(np.stack(some_pages(16)), "two  words", None)
    assert found.values.shape == (1, 4)
    assert [token for token, _ in found.tokens] == ["two", "words"]
