"""search_service as its clients see it, over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexQuery, IndexRecord, ScoredPoint, Vector
from search_service.wire import spec_message
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import SPEC, picture_vector, some_points, word_vector
from tests.search_service.requests import upsert_of
from viewfinder.errors import (
    ImageNotFound,
    ImageNotIndexed,
    InvalidRequest,
    ServiceUnavailable,
    UnknownFilterKey,
)
from viewfinder.v1 import common_pb2, search_pb2

PAYLOAD: dict[str, Any] = {
    "file_name": "Katze äöü.jpg",
    "tags": ["cat"],
    "width": 640,
    "metadata": {"stars": 5, "price": 1.5, "ok": True, "none": None, "deep": {"x": [1, 2]}},
}


async def test_what_was_upserted_is_found_by_text_with_its_payload(stub: Any) -> None:
    written = await stub.Upsert(upsert_of([word_vector("a cat"), word_vector("a dog")], PAYLOAD))
    answer = await stub.Search(search_pb2.SearchRequest(text="a dog", top_k=1))
    assert [hit.id for hit in answer.hits] == [str(UUID(int=2))]
    assert answer.hits[0].score == pytest.approx(1, abs=1e-5)
    expected = search_pb2.Point()
    expected.payload.update(PAYLOAD)
    assert answer.hits[0].payload == expected.payload
    assert answer.epoch == written.epoch
    assert answer.spec == spec_message(SPEC)
    assert answer.embed_ms > 0
    assert answer.index_ms > 0


async def test_a_picture_finds_its_like(stub: Any) -> None:
    reds = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    await stub.Upsert(upsert_of([picture_vector(picture) for picture in reds]))
    pixels = common_pb2.Pixels(data=reds[1].tobytes(), count=1, height=8, width=8)
    answer = await stub.Search(search_pb2.SearchRequest(pixels=pixels, top_k=1))
    assert [hit.id for hit in answer.hits] == [str(UUID(int=2))]


async def test_similar_leaves_the_picture_itself_out(stub: Any) -> None:
    await stub.Upsert(upsert_of(some_points(5)[1]))
    answer = await stub.Search(search_pb2.SearchRequest(image_id=str(UUID(int=3)), top_k=10))
    assert {hit.id for hit in answer.hits} == {str(UUID(int=n)) for n in (1, 2, 4, 5)}


async def test_similar_to_a_picture_without_vector_says_so(stub: Any) -> None:
    with pytest.raises(ImageNotIndexed):
        await stub.Search(search_pb2.SearchRequest(image_id=str(UUID(int=3)), top_k=10))
    with pytest.raises(ImageNotFound):
        await stub.Search(search_pb2.SearchRequest(image_id="cat.jpg", top_k=10))


async def test_an_empty_index_has_no_hits(stub: Any) -> None:
    answer = await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=10))
    assert list(answer.hits) == []


async def test_filters_and_threshold_reach_the_index(stub: Any) -> None:
    await stub.Upsert(upsert_of([word_vector("a cat")], PAYLOAD))
    request = search_pb2.SearchRequest(text="a cat", top_k=5, score_threshold=0.9)
    request.filters.update({"width": {"gte": 600}, "metadata.stars": [4, 5]})
    assert len((await stub.Search(request)).hits) == 1
    request.text = "something else"
    assert len((await stub.Search(request)).hits) == 0


async def test_an_unknown_filter_key_is_named_with_the_allowed_ones(stub: Any) -> None:
    request = search_pb2.SearchRequest(text="a cat", top_k=5)
    request.filters.update({"colour": "red"})
    with pytest.raises(UnknownFilterKey, match=r"'colour'; allowed: file_name.*metadata\.<name>"):
        await stub.Search(request)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("top_k", {"top_k": 0}),
        ("top_k", {"top_k": 101}),
        ("score_threshold", {"score_threshold": 1.5}),
        ("score_threshold", {"score_threshold": -0.1}),
        ("score_threshold", {"score_threshold": float("nan")}),
        ("query", {"text": None}),
        ("pixels", {"pixels": common_pb2.Pixels(data=b"123", count=1, height=8, width=8)}),
    ],
)
async def test_wrong_searches_are_refused_naming_the_field(
    stub: Any, field: str, wrong: dict[str, Any]
) -> None:
    request = search_pb2.SearchRequest(**{"text": "a cat", "top_k": 5, **wrong})
    with pytest.raises(InvalidRequest) as caught:
        await stub.Search(request)
    assert caught.value.field == field


async def test_a_filter_that_is_no_number_is_refused(stub: Any) -> None:
    request = search_pb2.SearchRequest(text="a cat", top_k=5)
    request.filters.update({"width": float("nan")})
    with pytest.raises(InvalidRequest):
        await stub.Search(request)


async def test_torn_upserts_are_refused(stub: Any) -> None:
    vectors = some_points(2)[1]
    torn = upsert_of(vectors)
    torn.vectors.data = torn.vectors.data[:-4]
    not_an_id = upsert_of(vectors, ids=["1", "cat.jpg"])
    without_spec = upsert_of(vectors)
    without_spec.ClearField("spec")
    not_finite = upsert_of(vectors * np.float32(np.nan))
    for request in (torn, not_an_id, without_spec, not_finite, search_pb2.UpsertRequest()):
        with pytest.raises(InvalidRequest):
            await stub.Upsert(request)
    assert (await stub.GetCollection(search_pb2.GetCollectionRequest())).vectors_count == 0


async def test_without_the_encoder_a_text_search_says_so_and_similar_works(
    stub: Any, encoder: FakeEncoder
) -> None:
    await stub.Upsert(upsert_of(some_points(3)[1]))
    encoder.error = ServiceUnavailable(service="embedding_service")
    with pytest.raises(ServiceUnavailable, match="embedding_service is unavailable"):
        await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=5))
    answer = await stub.Search(search_pb2.SearchRequest(image_id=str(UUID(int=3)), top_k=10))
    assert len(answer.hits) == 2


async def test_payloads_are_replaced_and_points_deleted(stub: Any) -> None:
    await stub.Upsert(upsert_of([word_vector("a cat")] * 2, PAYLOAD))
    changed = search_pb2.Point(id=str(UUID(int=1)))
    changed.payload.update({"category": "pet"})
    unknown = search_pb2.Point(id=str(UUID(int=9)))
    await stub.SetPayload(search_pb2.SetPayloadRequest(points=[unknown, changed]))
    await stub.DeletePoints(search_pb2.DeletePointsRequest(ids=[str(UUID(int=2))]))
    answer = await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=5))
    assert [(hit.id, dict(hit.payload)) for hit in answer.hits] == [
        (str(UUID(int=1)), {"category": "pet"})
    ]


async def test_the_collection_describes_itself(stub: Any) -> None:
    empty = await stub.GetCollection(search_pb2.GetCollectionRequest())
    assert (empty.name, empty.vectors_count, empty.status) == ("pictures", 0, "green")
    assert not empty.HasField("spec")
    written = await stub.Upsert(upsert_of(some_points(3)[1]))
    full = await stub.GetCollection(search_pb2.GetCollectionRequest())
    assert (full.vectors_count, full.indexed, full.epoch) == (3, False, written.epoch)
    assert full.spec == spec_message(SPEC)


async def test_fifty_upserts_of_the_same_point_leave_one(stub: Any) -> None:
    request = upsert_of([word_vector("a cat")])
    answers = await asyncio.gather(*(stub.Upsert(request) for _ in range(50)))
    assert len({answer.epoch for answer in answers}) == 50
    assert (await stub.GetCollection(search_pb2.GetCollectionRequest())).vectors_count == 1


def upsert_with_texts(texts: dict[str, str]) -> search_pb2.UpsertRequest:
    """One picture a text, looking like the text's key."""
    request = upsert_of([word_vector(seen) for seen in texts])
    for point, text in zip(request.points, texts.values(), strict=True):
        point.text = text
    return request


TEXTS = {"a cat": "IMG_1234.jpg\nbeach", "a dog": "DSC_0042.jpg\nmountain", "a sheep": "x.png"}


async def test_hybrid_finds_by_word_what_looks_like_something_else(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    for query, number, matched in (
        ("img 1234", 1, ["img", "1234"]),
        ("DSC_0042.JPG", 2, ["DSC_0042.JPG"]),
        ("the mountain", 2, ["mountain"]),
    ):
        answer = await stub.Search(search_pb2.SearchRequest(text=query, top_k=1, mode="hybrid"))
        (hit,) = answer.hits
        assert hit.id == str(UUID(int=number))
        assert list(hit.matched) == matched
        cosine = float(word_vector(query) @ word_vector(list(TEXTS)[number - 1]))
        assert hit.score == pytest.approx(cosine, abs=1e-5)


async def test_words_are_looked_for_while_the_text_is_embedded(
    stub: Any, collections: CollectionSet, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    looked = asyncio.Event()
    search, embed = collections.active.search, encoder.embed_text

    async def search_seen(spec: EncoderSpec, query: IndexQuery) -> tuple[list[ScoredPoint], int]:
        if query.vector is None:
            looked.set()
        return await search(spec, query)

    async def embed_late(text: str, name: str) -> tuple[Vector, EncoderSpec]:
        await asyncio.wait_for(looked.wait(), 20)
        return await embed(text, name)

    monkeypatch.setattr(collections.active, "search", search_seen)
    monkeypatch.setattr(encoder, "embed_text", embed_late)
    answer = await stub.Search(search_pb2.SearchRequest(text="img 1234", top_k=1))
    assert [hit.id for hit in answer.hits] == [str(UUID(int=1))]


async def test_the_look_is_looked_for_while_words_are(
    stub: Any, collections: CollectionSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    looked = asyncio.Event()
    search = collections.active.search

    async def words_last(spec: EncoderSpec, query: IndexQuery) -> tuple[list[ScoredPoint], int]:
        if query.vector is not None:
            looked.set()
        else:
            await asyncio.wait_for(looked.wait(), 20)
        return await search(spec, query)

    monkeypatch.setattr(collections.active, "search", words_last)
    answer = await stub.Search(search_pb2.SearchRequest(text="img 1234", top_k=1))
    assert [hit.id for hit in answer.hits] == [str(UUID(int=1))]


async def test_an_answer_is_no_newer_than_its_words(
    stub: Any, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    embed = encoder.embed_text

    async def embed_after_a_write(text: str, name: str) -> tuple[Vector, EncoderSpec]:
        await stub.Upsert(upsert_with_texts({"a cow": "IMG_1234.jpg"}))
        return await embed(text, name)

    before = (await stub.Search(search_pb2.SearchRequest(text="img 1234", top_k=1))).epoch
    monkeypatch.setattr(encoder, "embed_text", embed_after_a_write)
    meanwhile = await stub.Search(search_pb2.SearchRequest(text="img 1234", top_k=1))
    assert meanwhile.epoch == before


async def test_words_that_nothing_has_cost_no_second_search(
    stub: Any, collections: CollectionSet, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    known = asyncio.Event()
    asked = []
    search, embed = collections.active.search, encoder.embed_text

    async def search_seen(spec: EncoderSpec, query: IndexQuery) -> tuple[list[ScoredPoint], int]:
        asked.append(query.limit if query.vector is not None else 0)
        found = await search(spec, query)
        known.set()
        return found

    async def embed_late(text: str, name: str) -> tuple[Vector, EncoderSpec]:
        await asyncio.wait_for(known.wait(), 20)
        await asyncio.sleep(0.01)
        return await embed(text, name)

    monkeypatch.setattr(collections.active, "search", search_seen)
    monkeypatch.setattr(encoder, "embed_text", embed_late)
    await stub.Search(search_pb2.SearchRequest(text="zebra", top_k=1))
    assert asked == [0, 2]


async def far_from_its_word(stub: Any) -> list[Any]:
    """150 pictures that look like "beach", and one that does least and is named so; the first 3."""
    like = some_points(150)[1] + 5 * word_vector("beach")
    await stub.Upsert(upsert_of([*like, -word_vector("beach")]))
    named = search_pb2.Point(id=str(UUID(int=151)), text="beach.jpg")
    await stub.SetPayload(search_pb2.SetPayloadRequest(points=[named]))
    answer = await stub.Search(search_pb2.SearchRequest(text="beach", top_k=3, mode="hybrid"))
    return list(answer.hits)


async def test_what_only_its_words_found_is_told_with_its_cosine(stub: Any) -> None:
    first, *others = await far_from_its_word(stub)
    assert first.id == str(UUID(int=151))
    assert first.score == pytest.approx(-1, abs=1e-5)
    assert [hit.score > 0.5 for hit in others] == [True, True]


async def test_what_is_deleted_before_it_is_shown_is_left_out(
    stub: Any, collections: CollectionSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieve = collections.active.retrieve

    async def deleted_first(ids: Sequence[UUID]) -> list[IndexRecord]:
        await collections.delete([UUID(int=151)])
        return await retrieve(ids)

    monkeypatch.setattr(collections.active, "retrieve", deleted_first)
    hits = await far_from_its_word(stub)
    assert [hit.score > 0.5 for hit in hits] == [True, True]


async def test_visual_looks_at_pictures_only(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    answer = await stub.Search(search_pb2.SearchRequest(text="img 1234", top_k=3, mode="visual"))
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert not any(hit.matched for hit in answer.hits)


async def test_changed_words_are_found_at_once_and_the_old_ones_no_more(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    changed = search_pb2.Point(id=str(UUID(int=3)), text="x.png\nvacation")
    await stub.SetPayload(search_pb2.SetPayloadRequest(points=[changed]))
    await stub.SetPayload(
        search_pb2.SetPayloadRequest(points=[search_pb2.Point(id=str(UUID(int=1)), text="y.png")])
    )
    found = await stub.Search(search_pb2.SearchRequest(text="vacation", top_k=1, mode="hybrid"))
    assert [hit.id for hit in found.hits] == [str(UUID(int=3))]
    gone = await stub.Search(search_pb2.SearchRequest(text="beach", top_k=3, mode="hybrid"))
    assert not any(hit.matched for hit in gone.hits)


async def test_a_point_without_words_gets_them_without_its_vector(stub: Any) -> None:
    await stub.Upsert(upsert_of([word_vector("a cat"), word_vector("a dog")]))
    named = search_pb2.Point(id=str(UUID(int=1)), text="IMG_1234.jpg")
    await stub.SetPayload(search_pb2.SetPayloadRequest(points=[named]))
    by_name = await stub.Search(search_pb2.SearchRequest(text="img_1234", top_k=1, mode="hybrid"))
    assert [hit.id for hit in by_name.hits] == [str(UUID(int=1))]
    by_look = await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=1, mode="visual"))
    assert by_look.hits[0].score == pytest.approx(1, abs=1e-5)


async def test_a_threshold_cuts_what_only_words_found(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    answer = await stub.Search(
        search_pb2.SearchRequest(text="img 1234", top_k=3, mode="hybrid", score_threshold=0.99)
    )
    assert list(answer.hits) == []


async def test_a_query_without_words_is_visual(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    answer = await stub.Search(search_pb2.SearchRequest(text="?!", top_k=3, mode="hybrid"))
    assert len(answer.hits) == 3


async def test_an_unknown_mode_is_refused_with_those_there_are(stub: Any) -> None:
    with pytest.raises(InvalidRequest, match="auto, visual, hybrid"):
        await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=1, mode="magic"))


@pytest.mark.parametrize("options", [{}, {"collapse": 0.999}, {"group_by": "document"}])
async def test_pages_of_a_hybrid_search_show_every_picture_once(
    stub: Any, options: dict[str, Any]
) -> None:
    points, vectors = some_points(60)
    request = upsert_of(vectors, ids=[str(point.id) for point in points])
    for number, point in enumerate(request.points):
        point.text = "beach.jpg" if number % 3 == 0 else "x.jpg"
    await stub.Upsert(request)
    shown: list[str] = []
    cursor = ""
    while True:
        page = await stub.Search(
            search_pb2.SearchRequest(text="beach", top_k=7, mode="hybrid", cursor=cursor, **options)
        )
        shown += [hit.id for hit in page.hits]
        cursor = page.next_cursor
        if not cursor:
            break
        another = search_pb2.Point(id=page.hits[0].id, text="beach beach.jpg")
        await stub.SetPayload(search_pb2.SetPayloadRequest(points=[another]))
    assert sorted(shown) == sorted(str(point.id) for point in points)
    assert set(shown[:20]) & {str(point.id) for point in points[::3]}


async def test_a_search_by_date_knows_no_words(stub: Any) -> None:
    await stub.Upsert(upsert_with_texts(TEXTS))
    answer = await stub.Search(
        search_pb2.SearchRequest(text="beach", top_k=3, mode="hybrid", sort="newest")
    )
    assert len(answer.hits) == 3
    assert not any(hit.matched for hit in answer.hits)
