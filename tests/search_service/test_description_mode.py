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
}


def id_of(number: int) -> str:
    return str(UUID(int=number))


async def fill(stub: Any) -> None:
    points = [
        search_pb2.Point(
            id=id_of(number),
            payload=struct_of({"file_name": "kite.jpg", **({"description": one} if one else {})}),
            text=f"kite.jpg\n{one}",
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


async def test_its_words_count_in_hybrid_too(stub: Any) -> None:
    await fill(stub)
    request = search_pb2.SearchRequest(text="a fisherman with his net", top_k=10, mode="hybrid")
    assert ids_in(await stub.Search(request))[0] == 1


async def test_what_is_described_can_be_asked_for(stub: Any) -> None:
    await fill(stub)
    request = search_pb2.SearchRequest(text="anything", top_k=10, mode="visual")
    request.filters.CopyFrom(struct_of({"description": {"exists": False}}))
    assert ids_in(await stub.Search(request)) == [3]


async def test_it_has_no_order_by_time(stub: Any) -> None:
    await fill(stub)
    with pytest.raises(InvalidRequest):
        await ask(stub, "a kite", sort="newest")
