"""mode=document: pages by their words, their rows and their look; and what else rows join."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service import late_search
from search_service.collection_set import CollectionSet
from search_service.wire import matrices_message, spec_message, struct_of
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import DIM, PAGES_SPEC, SPEC, token_vectors, word_vector
from tests.search_service.requests import ids_in
from tests.search_service.test_relevance import calibration
from viewfinder.errors import InvalidRequest, ServiceUnavailable
from viewfinder.late_calibration import LateCalibration
from viewfinder.v1 import common_pb2, search_pb2

LIBRARY: dict[int, tuple[str, int, str]] = {
    1: ("invoices.pdf", 1, "invoice of the carpenter total 1200"),
    2: ("invoices.pdf", 2, "terms of payment thirty days"),
    3: ("invoices.pdf", 3, "invoice of the plumber total 450"),
    4: ("manual.pdf", 1, "how to clean the coffee grinder"),
    5: ("manual.pdf", 2, "warranty and spare parts"),
}
PICTURE = 9


def page_id(number: int) -> str:
    return str(UUID(int=number))


async def fill(stub: Any, seen: dict[int, str] | None = None) -> None:
    """Pages with their words, and a picture whose name has some; `seen`: what the document encoder
    sees on a page, in the place of its words."""
    points = [
        search_pb2.Point(
            id=page_id(number),
            payload=struct_of({"document": document, "page": page, "file_name": document}),
            text=text,
        )
        for number, (document, page, text) in LIBRARY.items()
    ]
    picture = search_pb2.Point(
        id=page_id(PICTURE), payload=struct_of({"file_name": "plumber.jpg"}), text="plumber.jpg"
    )
    vectors = [word_vector(f"looks like {point.id}") for point in [*points, picture]]
    await stub.Upsert(
        search_pb2.UpsertRequest(
            spec=spec_message(SPEC),
            points=[*points, picture],
            vectors=common_pb2.Vectors(
                data=np.stack(vectors).astype("<f4").tobytes(), count=len(vectors), dim=DIM
            ),
        )
    )
    if seen is not None:
        await stub.Upsert(rows_of(points, [token_vectors(seen[int(UUID(p.id))]) for p in points]))


def rows_of(points: Sequence[Any], matrices: list[Any]) -> search_pb2.UpsertRequest:
    return search_pb2.UpsertRequest(
        spec=spec_message(PAGES_SPEC), points=points, multi=matrices_message(matrices)
    )


SEEN = {
    1: "wood table saw",
    2: "small print",
    3: "pipe wrench water",
    4: "machine steam",
    5: "screws springs",
}


@pytest.fixture
def reader(encoder: FakeEncoder) -> FakeEncoder:
    """With a document encoder."""
    encoder.document = PAGES_SPEC
    return encoder


async def ask(stub: Any, text: str, mode: str = "document", **options: Any) -> Any:
    return await stub.Search(
        search_pb2.SearchRequest(text=text, mode=mode, **{"top_k": 10, **options})
    )


async def test_a_page_is_found_by_its_words_and_no_picture_is(stub: Any) -> None:
    await fill(stub)
    answer = await ask(stub, "plumber")
    assert ids_in(answer)[0] == 3
    assert PICTURE not in ids_in(answer)
    assert answer.hits[0].matched == ["plumber"]
    assert not answer.hits[0].HasField("late_score")


async def test_a_document_is_one_hit_with_its_other_pages(stub: Any) -> None:
    await fill(stub)
    answer = await ask(stub, "invoice plumber")
    assert [ids_in(answer)[0], len(answer.hits)] == [3, 2]
    pages = answer.hits[0].pages
    assert {(page.id, page.page) for page in pages} == {(page_id(1), 1), (page_id(2), 2)}
    assert pages[0].id == page_id(1)  # has a word of the query
    assert all(np.isfinite(page.score) for page in pages)


async def test_pages_are_hits_of_their_own_where_groups_are_refused(stub: Any) -> None:
    await fill(stub)
    answer = await ask(stub, "invoice", group_by="none")
    assert set(ids_in(answer)) == set(LIBRARY)
    assert set(ids_in(answer)[:2]) == {1, 3}
    assert not answer.hits[0].pages


@pytest.mark.parametrize("group_by", ["", "none"])
async def test_a_page_is_found_by_its_rows_where_it_has_no_such_words(
    stub: Any, reader: FakeEncoder, group_by: str
) -> None:
    await fill(stub, SEEN)
    answer = await ask(stub, "water pipe", group_by=group_by)
    best = answer.hits[0]
    assert UUID(best.id).int == 3
    assert best.late_score == pytest.approx(1.0, abs=1e-5)  # both tokens are on it
    assert best.payload["document"] == "invoices.pdf"
    assert best.score == pytest.approx(
        float(word_vector("water pipe") @ word_vector(f"looks like {page_id(3)}")), abs=1e-5
    )


async def test_words_and_rows_that_agree_come_before_either_alone(
    stub: Any, reader: FakeEncoder
) -> None:
    await fill(stub, {**SEEN, 1: "carpenter saw", 4: "carpenter steam"})
    answer = await ask(stub, "carpenter invoice", group_by="none")
    assert ids_in(answer)[0] == 1  # 3 has a word only, 4 a row only


async def test_hybrid_joins_rows_with_pictures_and_visual_and_auto_do_not(
    stub: Any, reader: FakeEncoder
) -> None:
    await fill(stub, SEEN)
    hybrid = await ask(stub, "plumber steam", mode="hybrid")
    assert PICTURE in ids_in(hybrid)
    late = {UUID(hit.id).int for hit in hybrid.hits if hit.HasField("late_score")}
    assert late == set(LIBRARY)
    assert 4 in ids_in(hybrid)[:3]
    for mode in ("auto", "visual"):
        plain = await ask(stub, "plumber steam", mode=mode)
        assert not any(hit.HasField("late_score") for hit in plain.hits)


async def test_filters_hold_for_rows_too(stub: Any, reader: FakeEncoder) -> None:
    await fill(stub, SEEN)
    manual = struct_of({"document": "manual.pdf"})
    answer = await ask(stub, "water pipe", filters=manual, group_by="none")
    assert set(ids_in(answer)) == {4, 5}


async def test_the_pages_of_a_cursor_follow_without_repeats(stub: Any, reader: FakeEncoder) -> None:
    await fill(stub, SEEN)
    seen: list[int] = []
    cursor = ""
    for _ in range(10):
        answer = await ask(stub, "invoice pipe", group_by="none", top_k=2, cursor=cursor)
        seen += ids_in(answer)
        cursor = answer.next_cursor
        if not cursor:
            break
    assert sorted(seen) == sorted(LIBRARY)
    whole = await ask(stub, "invoice pipe", group_by="none")
    assert seen == ids_in(whole)


async def test_facets_count_pages_only(stub: Any, reader: FakeEncoder) -> None:
    await fill(stub, SEEN)
    answer = await ask(stub, "invoice", facets=["document"])
    counts = {value.text: value.count for value in answer.facets[0].values}
    assert counts == {"invoices.pdf": 3, "manual.pdf": 2}


async def test_pages_alike_can_be_collapsed(stub: Any, reader: FakeEncoder) -> None:
    await fill(stub, SEEN)
    answer = await ask(stub, "invoice", group_by="none", collapse=0.999)
    assert set(ids_in(answer)) == set(LIBRARY)


async def test_documents_by_time_are_refused(stub: Any) -> None:
    with pytest.raises(InvalidRequest, match="sort"):
        await ask(stub, "invoice", sort="newest")


def half_at(per_token: float) -> LateCalibration:
    return LateCalibration("reader", "r1", 0.01, 20.0, -20.0 * per_token)


@pytest.mark.parametrize("group_by", ["", "none"])
async def test_what_was_found_by_its_words_is_not_judged_by_its_look(
    stub: Any, reader: FakeEncoder, group_by: str
) -> None:
    reader.known_calibration = calibration()
    await fill(stub, SEEN)
    answer = await ask(stub, "plumber", group_by=group_by, min_relevance=0.999)
    assert ids_in(answer) == [3]
    assert answer.hits[0].words_fit
    assert not answer.hits[0].HasField("relevance")
    # Without a calibration of the document encoder nothing else speaks for a page than its look.
    rows_only = await ask(stub, "water pipe", group_by=group_by, min_relevance=0.999)
    assert ids_in(rows_only) == []


@pytest.mark.parametrize("group_by", ["", "none"])
async def test_rows_are_judged_by_the_calibration_of_the_document_encoder(
    stub: Any, reader: FakeEncoder, group_by: str
) -> None:
    reader.known_calibration = calibration()
    reader.late = half_at(0.7)
    await fill(stub, SEEN)
    answer = await ask(stub, "water pipe", group_by=group_by, min_relevance=0.5)
    assert ids_in(answer) == [3]
    (hit,) = answer.hits
    assert hit.relevance == pytest.approx(half_at(0.7).curve.of(hit.late_score), abs=1e-5)
    assert hit.late_relevance == hit.relevance
    assert not hit.words_fit
    assert ids_in(await ask(stub, "bicycle", group_by=group_by, min_relevance=0.5)) == []


async def test_what_rows_say_of_a_page_is_told_in_hybrid_beside_its_look(
    stub: Any, reader: FakeEncoder
) -> None:
    reader.known_calibration = calibration()
    reader.late = half_at(0.7)
    await fill(stub, SEEN)
    answer = await ask(stub, "water pipe", mode="hybrid")
    hit = next(hit for hit in answer.hits if UUID(hit.id).int == 3)
    assert hit.late_relevance > 0.9
    assert hit.relevance < 0.5


async def test_one_word_of_many_does_not_speak_for_a_page_but_does_for_a_picture(
    stub: Any,
) -> None:
    await fill(stub)
    answer = await ask(stub, "warranty against rust and other damage of bicycles", group_by="none")
    assert answer.hits[0].matched
    assert not any(hit.words_fit for hit in answer.hits)
    half = await ask(stub, "warranty against rust", group_by="none")
    assert not half.hits[0].words_fit
    assert (await ask(stub, "warranty parts rust", group_by="none")).hits[0].words_fit
    many = "clean coffee grinder before guests arrive Sunday morning please quickly"
    assert (await ask(stub, many, group_by="none")).hits[0].words_fit
    by_name = await ask(stub, "plumber against rust and other damage", mode="hybrid")
    assert next(hit for hit in by_name.hits if UUID(hit.id).int == PICTURE).words_fit


async def test_a_word_of_one_character_speaks_for_nothing(stub: Any) -> None:
    await fill(stub)
    answer = await ask(stub, "9", mode="hybrid")
    assert not any(hit.words_fit for hit in answer.hits)


async def test_words_and_rows_are_judged_as_looks_in_hybrid(stub: Any, reader: FakeEncoder) -> None:
    reader.known_calibration = calibration()
    await fill(stub, SEEN)
    # As pictures they would have to look like it.
    judged = await ask(stub, "plumber", mode="hybrid", min_relevance=0.999)
    assert ids_in(judged) == []


async def test_a_page_that_only_the_rows_know_is_no_hit(
    stub: Any, reader: FakeEncoder, collections: CollectionSet
) -> None:
    """Deleted while it was being embedded: the collection of pictures and pages has the say."""
    await fill(stub, SEEN)
    await stub.DeletePoints(search_pb2.DeletePointsRequest(ids=[page_id(3)]))
    late = search_pb2.Point(id=page_id(3), payload=struct_of({"document": "invoices.pdf"}))
    await stub.Upsert(rows_of([late], [token_vectors(SEEN[3])]))
    for group_by in ("", "none"):
        assert 3 not in ids_in(await ask(stub, "water pipe", group_by=group_by))


async def test_without_the_document_encoder_words_and_looks_answer(
    stub: Any, reader: FakeEncoder, collections: CollectionSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_search, "_LET_ALONE_S", 0.0)
    await fill(stub, SEEN)
    told = asyncio.Event()

    async def tell() -> None:
        told.set()

    collections.tell_caches = tell
    reader.document_error = ServiceUnavailable("embedding_service")
    answer = await ask(stub, "plumber")
    assert ids_in(answer)[0] == 3
    assert not answer.hits[0].HasField("late_score")
    assert not told.is_set()
    reader.document_error = None
    assert (await ask(stub, "plumber")).hits[0].HasField("late_score")
    assert told.is_set()  # caches may hold the poorer answer


async def test_rows_that_are_dropped_under_a_search_leave_words_and_looks(
    stub: Any, reader: FakeEncoder, collections: CollectionSet
) -> None:
    await fill(stub, SEEN)
    rows = await collections.of_encoder(PAGES_SPEC)
    assert rows is not None
    await rows.close()  # as `drop` does, a moment before it forgets the collection
    answer = await ask(stub, "plumber")
    assert ids_in(answer)[0] == 3
    assert not answer.hits[0].HasField("late_score")


async def test_an_exact_search_compares_all_rows(stub: Any, reader: FakeEncoder) -> None:
    await fill(stub, SEEN)
    answer = await ask(stub, "water pipe", exact=True)
    assert ids_in(answer)[0] == 3
    assert answer.hits[0].HasField("late_score")
