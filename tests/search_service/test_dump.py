"""A dump has all that was acknowledged before it, and goes back in as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.collections import Collections
from search_service.dump import DumpedCollection, dump, messages_of, stored_points_of
from search_service.epoch import ClockEpoch
from search_service.index_folder import open_collections
from search_service.server_collections import ServerCollections
from search_service.vector_index import IndexPoint, IndexQuery, IndexRecord, SparseVector, Vector
from search_service.wire import spec_message
from tests.search_service.engines import connection_to, quiet_local_mode
from tests.search_service.points import BUILD_ABOVE, DIM, FREE, SPEC
from viewfinder.v1 import search_pb2

RANDOM = np.random.default_rng(4)
OTHER_SPEC = replace(SPEC, name="other")


def vectors(count: int) -> Vector:
    found: Vector = RANDOM.normal(size=(count, DIM)).astype(np.float32)
    return found


def points(count: int) -> list[IndexPoint]:
    return [
        IndexPoint(
            uuid4(),
            {"tags": ["ä", str(n)], "size_bytes": 2**40 + n, "metadata": {"share": 0.5, "n": None}},
            SparseVector((7, 2**31 + n), (0.1, 1.5)) if n % 2 else None,
        )
        for n in range(count)
    ]


async def dumped(collections: Collections) -> dict[str, dict[UUID, IndexRecord]]:
    found: dict[str, dict[UUID, IndexRecord]] = {}
    async for part in dump(collections):
        if isinstance(part, DumpedCollection):
            at = found.setdefault(part.spec.name, {})
        else:
            at.update({record.id: record for record in part})
    return found


async def test_it_has_every_point_with_payload_words_and_vector(collections: CollectionSet) -> None:
    some = points(600)
    await collections.upsert(SPEC, some, vectors(600), beside=False)
    found = (await dumped(collections))[SPEC.name]
    assert {one.id: (one.payload, one.words is None) for one in found.values()} == {
        one.id: (one.payload, one.words is None) for one in some
    }


async def test_all_collections_are_in_it_and_which_one_answers(collections: CollectionSet) -> None:
    await collections.upsert(SPEC, points(3), vectors(3), beside=False)
    await collections.upsert(OTHER_SPEC, points(2), vectors(2), beside=True)
    await collections.switch(OTHER_SPEC)
    heads = [part async for part in dump(collections) if isinstance(part, DumpedCollection)]
    assert [(head.spec, head.active, head.points) for head in heads] == [
        (OTHER_SPEC, True, 2),
        (SPEC, False, 3),
    ]


async def test_an_empty_index_has_nothing_to_dump(collections: CollectionSet) -> None:
    assert await dumped(collections) == {}


async def test_writes_meanwhile_take_nothing_from_it(collections: CollectionSet) -> None:
    before = points(2000)
    for start in range(0, 2000, 500):
        await collections.upsert(SPEC, before[start : start + 500], vectors(500), beside=False)
    gone = [before[0].id, before[1999].id]

    async def write() -> None:
        for _ in range(10):
            await collections.upsert(SPEC, points(50), vectors(50), beside=False)
            await collections.set_payload([IndexPoint(one.id, {"n": 1}) for one in before[100:200]])
        await collections.delete(gone)

    writing = asyncio.create_task(write())
    found = (await dumped(collections))[SPEC.name]
    await writing
    assert {one.id for one in before} - set(found) <= set(gone)


async def test_a_graph_built_meanwhile_takes_nothing_from_it(
    tmp_path: Path,
) -> None:
    collections = open_collections(tmp_path / "index", FREE, 1000)
    before = points(3000)
    for start in range(0, 3000, 500):
        await collections.upsert(SPEC, before[start : start + 500], vectors(500), beside=False)
    found = (await dumped(collections))[SPEC.name]
    assert set(found) == {one.id for one in before}
    await collections.close()


async def test_it_goes_back_in_with_the_same_hits_and_scores(
    collections: CollectionSet, tmp_path: Path
) -> None:
    await collections.upsert(SPEC, points(300), vectors(300), beside=False)
    messages = [message async for part in dump(collections) for message in messages_of(part)]
    other = open_collections(tmp_path / "other", FREE, BUILD_ABOVE)
    for message in messages[1:]:
        await other.upsert(SPEC, *stored_points_of(message.points), beside=False)
    query = IndexQuery(vectors(1)[0], limit=50)
    before, _ = await collections.active.search(SPEC, query)
    after, _ = await other.active.search(SPEC, query)
    assert [(hit.id, hit.score, hit.payload) for hit in after] == [
        (hit.id, hit.score, hit.payload) for hit in before
    ]
    words = {one.id: one.words for one in (await dumped(collections))[SPEC.name].values()}
    assert {one.id: one.words for one in (await dumped(other))[SPEC.name].values()} == words
    await other.close()


@pytest.mark.parametrize("kind", ["gRPC stub", "server"])
async def test_it_goes_to_a_server_and_back_with_the_same_hits_and_scores(
    collections: CollectionSet, tmp_path: Path, kind: str
) -> None:
    await collections.upsert(SPEC, points(100), vectors(100), beside=False)
    await collections.upsert(OTHER_SPEC, points(20), vectors(20), beside=True)
    home = open_collections(tmp_path / "home", FREE, BUILD_ABOVE)
    query = IndexQuery(vectors(1)[0], limit=30)
    async with connection_to(kind) as connection:
        with quiet_local_mode():
            server = ServerCollections(connection, f"dump-{uuid4()}", ClockEpoch(), FREE)
            await server.open()
            await restore(collections, server)
            there, _ = await server.active.search(SPEC, query)
            await restore(server, home)
            assert await words_of(server) == await words_of(collections)
    before, _ = await collections.active.search(SPEC, query)
    back, _ = await home.active.search(SPEC, query)
    assert [(hit.id, hit.payload) for hit in there] == [(hit.id, hit.payload) for hit in before]
    assert [hit.score for hit in there] == pytest.approx([hit.score for hit in before], abs=1e-6)
    assert [(hit.id, hit.payload) for hit in back] == [(hit.id, hit.payload) for hit in before]
    assert [hit.score for hit in back] == pytest.approx([hit.score for hit in before], abs=1e-6)
    assert await words_of(home) == await words_of(collections)
    await home.close()


async def restore(source: Collections, target: Collections) -> None:
    head = None
    async for part in dump(source):
        for message in messages_of(part):
            if isinstance(part, DumpedCollection):
                head = part
            else:
                assert head is not None
                stored = stored_points_of(message.points)
                await target.upsert(head.spec, *stored, beside=not head.active)


async def words_of(collections: Collections) -> dict[UUID, SparseVector | None]:
    found = await dumped(collections)
    return {one.id: one.words for at in found.values() for one in at.values()}


def test_long_payloads_make_more_messages_not_longer_ones() -> None:
    row = np.ones(DIM, dtype=np.float32)
    records = [IndexRecord(uuid4(), row, {"text": "x" * 300_000}) for _ in range(30)]
    messages = messages_of(records)
    assert sum(len(message.points.points) for message in messages) == 30
    assert max(message.ByteSize() for message in messages) < 3 << 20


async def test_over_the_wire_it_is_dumped_and_restored(
    stub: Any, collections: CollectionSet, open_all: Callable[[], CollectionSet]
) -> None:
    some = points(10)
    await collections.upsert(SPEC, some, vectors(10), beside=False)
    request = search_pb2.DumpCollectionsRequest()
    head, part = [message async for message in stub.DumpCollections(request)]
    assert head.collection.spec == spec_message(SPEC)
    assert head.collection.vectors_count == 10
    await collections.delete([one.id for one in some])
    await stub.RestorePoints(
        search_pb2.RestorePointsRequest(spec=head.collection.spec, points=part.points)
    )
    assert set((await dumped(collections))[SPEC.name]) == {one.id for one in some}
