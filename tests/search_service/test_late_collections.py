"""The collection of a document encoder lies beside the one that answers, and follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.collections import Collections
from search_service.dump import DumpedCollection, dump, messages_of, stored_points_of
from search_service.epoch import ClockEpoch
from search_service.index_folder import open_collections
from search_service.server_collections import ServerCollections
from search_service.vector_index import IndexPoint, IndexQuery, IndexRecord, Vector
from tests.search_service.engines import connection_to, quiet_local_mode
from tests.search_service.points import (
    BUILD_ABOVE,
    DIM,
    FREE,
    PAGES_SPEC,
    SPEC,
    ids_of,
    some_points,
    unit,
)
from viewfinder.errors import InvalidRequest


def pages(count: int) -> tuple[list[IndexPoint], list[Vector]]:
    """Of various numbers of rows."""
    dice = np.random.default_rng(2)
    points = [IndexPoint(UUID(int=n), {"document": "d", "page": n}) for n in range(1, count + 1)]
    return points, [unit(dice.standard_normal((3 + n % 20, DIM))) for n in range(count)]


@pytest.fixture(params=["folder", "gRPC stub"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Collections]:
    if request.param == "folder":
        folder = open_collections(tmp_path / "index", FREE, BUILD_ABOVE)
        yield folder
        await folder.close()
        return
    async with connection_to(request.param) as connection:
        with quiet_local_mode():
            server = ServerCollections(connection, "documents", ClockEpoch(), FREE)
            await server.open()
            yield server
            await server.all_written()


async def late_ids(collections: Collections, limit: int = 100) -> list[int]:
    collection = await collections.of_encoder(PAGES_SPEC)
    if collection is None:
        return []
    hits, _ = await collection.search(PAGES_SPEC, IndexQuery(pages(1)[1][0], limit))
    return ids_of(hits)


async def test_pages_lie_beside_also_where_they_come_first(either: Collections) -> None:
    assert await either.of_encoder(PAGES_SPEC) is None
    await either.upsert(PAGES_SPEC, *pages(5), beside=False)
    assert either.active.spec is None
    await either.upsert(SPEC, *some_points(3), beside=False)
    assert either.active.spec == SPEC
    assert (await late_ids(either))[0] == 1
    assert [(s.spec, s.info.points) for s in await either.states()] == [(SPEC, 3), (PAGES_SPEC, 5)]


async def test_payloads_and_deletions_reach_them(either: Collections) -> None:
    await either.upsert(SPEC, *some_points(5), beside=False)
    await either.upsert(PAGES_SPEC, *pages(5), beside=True)
    await either.delete([UUID(int=1)])
    await either.set_payload([IndexPoint(UUID(int=2), {"tags": ["new"]})])
    collection = await either.of_encoder(PAGES_SPEC)
    assert collection is not None
    hits, _ = await collection.search(PAGES_SPEC, IndexQuery(pages(1)[1][0], 10))
    assert {hit.id.int: hit.payload.get("tags") for hit in hits} == {
        2: ["new"],
        3: None,
        4: None,
        5: None,
    }


async def test_caches_are_told_of_pages_since_they_are_among_the_answers(
    either: Collections,
) -> None:
    await either.upsert(SPEC, *some_points(5), beside=False)
    told: list[int] = []

    async def tell() -> None:
        told.append(either.active.epoch)

    either.tell_caches = tell
    before = either.active.epoch
    assert await either.upsert(PAGES_SPEC, *pages(2), beside=True) > before
    assert len(told) == 1
    await either.drop(PAGES_SPEC)
    assert len(told) == 2
    assert told[0] < told[1]
    assert await late_ids(either) == []


async def test_they_never_answer_alone(either: Collections) -> None:
    await either.upsert(PAGES_SPEC, *pages(2), beside=True)
    with pytest.raises(InvalidRequest, match="dense"):
        await either.switch(PAGES_SPEC)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([np.ones((2, DIM), np.float32)], "one for every point"),
        ([np.ones((2, DIM), np.float32), np.ones((2, DIM + 1), np.float32)], "of shape"),
        ([np.ones((2, DIM), np.float32), np.ones((0, DIM), np.float32)], "of shape"),
        ([np.ones((2, DIM), np.float32), np.zeros((2, DIM), np.float32)], "with row 0"),
        ([np.ones((2, DIM), np.float32), np.full((1, DIM), np.nan, np.float32)], "with row 0"),
        ([np.ones((2, DIM), np.float32), np.ones((4097, DIM), np.float32)], "1..4096 rows"),
        (np.ones((2, DIM), np.float32), "one for every point"),
    ],
)
async def test_what_is_no_matrix_for_every_page_is_refused_and_makes_no_collection(
    either: Collections, rows: list[Vector], reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        await either.upsert(PAGES_SPEC, pages(2)[0], rows, beside=True)
    assert await either.of_encoder(PAGES_SPEC) is None


async def test_matrices_are_refused_by_a_dense_encoder(either: Collections) -> None:
    with pytest.raises(InvalidRequest, match="matrices"):
        await either.upsert(SPEC, *pages(2), beside=False)


async def test_pages_are_there_after_a_restart(open_all: Callable[[], CollectionSet]) -> None:
    collections = open_all()
    await collections.upsert(SPEC, *some_points(3), beside=False)
    await collections.upsert(PAGES_SPEC, *pages(30), beside=True)
    before = await late_ids(collections)
    await collections.close()
    again = open_all()
    assert await late_ids(again) == before
    assert len(before) == 30
    await again.close()


async def everything(collections: Collections) -> dict[str, dict[UUID, IndexRecord]]:
    found: dict[str, dict[UUID, IndexRecord]] = {}
    async for part in dump(collections):
        if isinstance(part, DumpedCollection):
            at = found.setdefault(part.spec.name, {})
        else:
            at.update({record.id: record for record in part})
    return found


async def test_a_dump_has_their_rows_and_goes_back_in(either: Collections, tmp_path: Path) -> None:
    await either.upsert(SPEC, *some_points(5), beside=False)
    await either.upsert(PAGES_SPEC, *pages(40), beside=True)
    target = open_collections(tmp_path / "target", FREE, BUILD_ABOVE)
    head: DumpedCollection | None = None
    async for part in dump(either):
        for message in messages_of(part):
            if isinstance(part, DumpedCollection):
                head = part
                continue
            assert head is not None
            stored = stored_points_of(message.points)
            await target.upsert(head.spec, *stored, beside=not head.active)
    expected, found = await everything(either), await everything(target)
    assert {name: set(at) for name, at in found.items()} == {
        SPEC.name: {UUID(int=n) for n in range(1, 6)},
        PAGES_SPEC.name: {UUID(int=n) for n in range(1, 41)},
    }
    for one, record in expected[PAGES_SPEC.name].items():
        np.testing.assert_allclose(found[PAGES_SPEC.name][one].vector, record.vector, atol=1e-6)
        assert found[PAGES_SPEC.name][one].payload == record.payload
    assert await late_ids(target) == await late_ids(either)
    await target.close()


def test_large_matrices_make_more_messages_not_longer_ones() -> None:
    matrix = np.ones((700, 128), np.float32)
    records = [IndexRecord(UUID(int=n), matrix, {}) for n in range(1, 21)]
    messages = messages_of(records)
    assert sum(len(message.points.points) for message in messages) == 20
    assert max(message.ByteSize() for message in messages) < 3 << 20
