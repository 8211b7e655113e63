"""mode=description: only what was described, mostly by its words."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.wire import spec_message, struct_of
from tests.search_service.points import DIM, SPEC, word_vector
from tests.search_service.requests import ids_in
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import common_pb2, search_pb2

SHOWN = {
    1: "An old fisherman mends a net in the harbour",
    2: "Two children fly a kite on the beach",
    3: "",  # not described, though its name has the words
    4: "A street at night",
}
KNOWN = {4: "fisherman\nan old fisherman mends his net in the harbour"}  # read in it, or a tag


def id_of(number: int) -> str:
    return str(UUID(int=number))


async def fill(stub: Any) -> None:
    points = [
        search_pb2.Point(
            id=id_of(number),
            payload=struct_of({"file_name": "kite.jpg", **({"description": one} if one else {})}),
            text=f"kite.jpg\n{one}\n{KNOWN.get(number, '')}",
            described=one,
        )
        for number, one in SHOWN.items()
    ]
    vectors = np.stack([word_vector(f"looks like {point.id}") for point in points])
    data = vectors.astype("<f4").tobytes()
    await stub.Upsert(
        search_pb2.UpsertRequest(
            spec=spec_message(SPEC),
            points=points,
            vectors=common_pb2.Vectors(data=data, count=len(points), dim=DIM),
        )
    )


async def ask(stub: Any, text: str, **options: Any) -> Any:
    return await stub.Search(
        search_pb2.SearchRequest(text=text, top_k=10, mode="description", **options)
    )


async def test_only_what_was_described_is_found_and_the_words_decide(stub: Any) -> None:
    await fill(stub)
    assert ids_in(await ask(stub, "children with a kite on a beach"))[0] == 2
    found = ids_in(await ask(stub, "fisherman"))
    assert found[0] == 1
    assert 3 not in found


async def test_words_that_are_not_of_the_description_do_not_count(stub: Any) -> None:
    await fill(stub)
    for words in ("fisherman", "old fisherman harbour net"):
        hits = (await ask(stub, words)).hits
        by_words = [UUID(hit.id).int for hit in hits if hit.matched]
        assert by_words == [1]
    kite = await ask(stub, "kite")
    assert [UUID(hit.id).int for hit in kite.hits if hit.matched] == [2]  # all are named so


async def test_words_of_a_description_that_was_changed_are_those_it_has_now(stub: Any) -> None:
    await fill(stub)
    changed = search_pb2.Point(
        id=id_of(1),
        payload=struct_of({"description": "A lighthouse"}),
        text="kite.jpg\nA lighthouse",
        described="A lighthouse",
    )
    await stub.SetPayload(search_pb2.SetPayloadRequest(points=[changed]))
    assert not any(hit.matched for hit in (await ask(stub, "fisherman")).hits)
    assert (await ask(stub, "lighthouse")).hits[0].matched == ["lighthouse"]


async def test_its_words_count_in_hybrid_too(stub: Any) -> None:
    await fill(stub)
    request = search_pb2.SearchRequest(text="a fisherman with his net", top_k=10, mode="hybrid")
    assert set(ids_in(await stub.Search(request))[:2]) == {1, 4}  # those that are no description's


async def test_what_is_described_can_be_asked_for(stub: Any) -> None:
    await fill(stub)
    request = search_pb2.SearchRequest(text="anything", top_k=10, mode="visual")
    request.filters.CopyFrom(struct_of({"description": {"exists": False}}))
    assert ids_in(await stub.Search(request)) == [3]


async def test_it_has_no_order_by_time(stub: Any) -> None:
    await fill(stub)
    with pytest.raises(InvalidRequest):
        await ask(stub, "a kite", sort="newest")
