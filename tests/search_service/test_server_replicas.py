"""Several replicas of search_service on one Qdrant server, and collections of others on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from qdrant_client import models

from search_service.server_collections import ServerCollections
from search_service.vector_index import IndexQuery, IndexUnusable
from tests.search_service.points import SPEC, point, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub
from tests.search_service.server_replicas import NEXT, OpenReplica, fill, found, names_on
from viewfinder.errors import EncoderMismatch, ServiceUnavailable


async def test_after_a_switch_the_other_one_answers_also_after_a_restart(
    server_collections: ServerCollections, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 3)
    await fill(server_collections, NEXT, 5)
    before = (await server_collections.active.state()).epoch
    assert await server_collections.switch(NEXT) > before
    await server_collections.switch(NEXT)
    assert len(await found(server_collections, NEXT)) == 5
    again = await open_replica()
    assert len(await found(again, NEXT)) == 5
    assert [state.spec for state in await again.states()] == [NEXT, SPEC]


async def test_a_search_on_another_replica_never_answers_from_before_a_switch(
    server_collections: ServerCollections, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 3)
    other = await open_replica()
    assert len(await found(other, SPEC)) == 3
    await fill(server_collections, NEXT, 5)
    await server_collections.switch(NEXT)
    with pytest.raises(ServiceUnavailable):  # which its caller asks again
        await found(other, SPEC)
    assert len(await found(other, NEXT)) == 5


async def test_a_write_on_another_replica_goes_where_searches_look(
    server_collections: ServerCollections, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 3)
    other = await open_replica()
    await fill(server_collections, NEXT, 3)
    await server_collections.switch(NEXT)
    points, vectors = some_points(4)
    with pytest.raises(EncoderMismatch):
        await other.upsert(SPEC, points, vectors, beside=False)
    await other.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)
    assert len(await found(server_collections, NEXT)) == 4


async def test_deletions_and_payloads_reach_collections_that_others_have_made(
    server_collections: ServerCollections, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 3)
    other = await open_replica()
    await fill(server_collections, NEXT, 3)
    await other.delete([point(1).id])
    await other.set_payload([point(2, file_name="new.jpg")])
    await server_collections.switch(NEXT)
    vector = np.hstack([some_points(1)[1][0]] * 2)
    hits, _ = await server_collections.active.search(NEXT, IndexQuery(vector, 100))
    assert {hit.id.int: hit.payload["file_name"] for hit in hits} == {2: "new.jpg", 3: "3.jpg"}


async def test_two_replicas_that_meet_an_empty_server_make_one_collection(
    server_collections: ServerCollections, open_replica: OpenReplica, qdrant: QdrantStub
) -> None:
    other = await open_replica()
    points, vectors = some_points(10)
    await asyncio.gather(
        server_collections.upsert(SPEC, points[:5], vectors[:5], beside=False),
        other.upsert(SPEC, points[5:], vectors[5:], beside=False),
    )
    assert len(await names_on(qdrant)) == 1
    assert len(await found(other, SPEC)) == 10


async def test_a_collection_that_another_replica_dropped_and_made_again_takes_vectors(
    server_collections: ServerCollections, open_replica: OpenReplica
) -> None:
    await fill(server_collections, SPEC, 3)
    await fill(server_collections, NEXT, 3)
    other = await open_replica()
    await other.states()
    await server_collections.drop(NEXT)
    await other.delete([point(1).id])
    await fill(other, NEXT, 2)
    assert [s.info.points for s in await server_collections.states()] == [2, 2]


async def test_collections_of_others_on_the_same_server_are_left_alone(
    server_collections: ServerCollections,
    qdrant: QdrantStub,
    unopened: Callable[..., ServerCollections],
) -> None:
    await qdrant.local.create_collection("pictures-of-mine", vectors_config={})
    longer = unopened("pictures-histogram")
    await longer.open()
    await fill(longer, SPEC, 2)
    await fill(server_collections, SPEC, 3)
    await server_collections.delete([point(1).id])
    assert len(await found(longer, SPEC)) == 2
    assert len(await server_collections.states()) == 1


@pytest.mark.parametrize("taken_by", ["collection", "alias"])
async def test_a_name_that_is_taken_stops_the_start(
    unopened: Callable[..., ServerCollections], qdrant: QdrantStub, taken_by: str
) -> None:
    name = "pictures" if taken_by == "collection" else "theirs"
    await qdrant.local.create_collection(name, vectors_config={})
    if taken_by == "alias":
        create = models.CreateAlias(collection_name=name, alias_name="pictures")
        await qdrant.local.update_collection_aliases(
            [models.CreateAliasOperation(create_alias=create)]
        )
    with pytest.raises(IndexUnusable, match="choose another QDRANT_COLLECTION"):
        await unopened().open()


async def test_nothing_answers_before_the_server_was_met(
    unopened: Callable[..., ServerCollections],
) -> None:
    replica = unopened()
    with pytest.raises(ServiceUnavailable):
        _ = replica.active
    with pytest.raises(ServiceUnavailable):
        await replica.delete([point(1).id])


async def test_looks_of_searches_at_the_same_time_are_shared(
    server_collections: ServerCollections, qdrant: QdrantStub
) -> None:
    await fill(server_collections, SPEC, 3)
    qdrant.asked.clear()
    await asyncio.gather(*(found(server_collections, SPEC) for _ in range(20)))
    assert qdrant.asked.count("Query") == 20
    assert qdrant.asked.count("ListAliases") <= 3
