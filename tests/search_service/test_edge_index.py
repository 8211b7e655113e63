"""The embedded index for asyncio: shared syncs, and graphs that are built while searches go on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service import edge_index
from search_service.edge_host import HostedShard
from search_service.edge_index import EdgeIndex
from search_service.edge_shard import EdgeShard
from search_service.filters import parse_filters
from search_service.vector_index import (
    IndexFault,
    IndexPoint,
    IndexQuery,
    ScoredPoint,
    SparseVector,
    Vector,
)
from tests.search_service.points import DIM, FREE, ids_of, point, some_points
from viewfinder.errors import StorageFull

NEVER = 1_000_000


class SlowShard:
    """Remembers counts only; its calls last until they are let go."""

    dim = DIM
    multi = False

    def __init__(self) -> None:
        self.points = 0
        self.syncs = 0
        self.may_search = threading.Event()
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.sync_begun = threading.Event()

    def upsert(self, points: Sequence[IndexPoint], vectors: Vector) -> None:
        self.points += len(points)

    def sync(self) -> None:
        self.sync_begun.set()
        self.may_sync.wait(10)
        self.syncs += 1

    def search(self, query: IndexQuery) -> list[ScoredPoint]:
        self.may_search.wait(10)
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def shard() -> SlowShard:
    return SlowShard()


@pytest.fixture
async def slow(shard: SlowShard, tmp_path: Path) -> AsyncIterator[EdgeIndex]:
    index = EdgeIndex(tmp_path / "edge", FREE, NEVER)
    index._shard = shard  # type: ignore[assignment]
    yield index
    shard.may_search.set()
    shard.may_sync.set()
    await index.close()


@pytest.fixture
async def open_index(tmp_path: Path) -> AsyncIterator[Callable[..., EdgeIndex]]:
    """Opens the index of this test's folder; what a test leaves open is closed."""
    opened: list[EdgeIndex] = []

    def open_it(build_above: int = NEVER) -> EdgeIndex:
        opened.append(EdgeIndex(tmp_path / "edge", FREE, build_above))
        return opened[-1]

    yield open_it
    for index in opened:
        await index.close()


async def test_the_loop_goes_on_while_the_engine_is_busy(slow: EdgeIndex, shard: SlowShard) -> None:
    searching = asyncio.create_task(slow.search(IndexQuery(some_points(1)[1][0], 5)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not searching.done()
    shard.may_search.set()
    assert await searching == []


async def test_a_write_is_acknowledged_only_after_a_sync_that_began_later(
    slow: EdgeIndex, shard: SlowShard
) -> None:
    shard.may_sync.clear()
    shard.may_search.set()
    first = asyncio.create_task(slow.upsert(*some_points(1)))
    await asyncio.to_thread(shard.sync_begun.wait, 10)
    others = [asyncio.create_task(slow.upsert(*some_points(1))) for _ in range(20)]
    while shard.points < 21:
        await asyncio.sleep(0.001)
    await slow.search(IndexQuery(some_points(1)[1][0], 5))  # the engine itself is free meanwhile
    assert not any(task.done() for task in [first, *others])
    shard.may_sync.set()
    await asyncio.gather(first, *others)
    assert shard.syncs == 2  # one for the first, one that the others share


async def test_a_graph_answers_as_exactly_as_the_search_without_one(
    open_index: Callable[..., EdgeIndex],
) -> None:
    index = open_index()
    await index.create(DIM)
    points, vectors = some_points(2000)
    await index.upsert(points, vectors)
    query = IndexQuery(vectors[7] + vectors[8], 20)
    before = await index.search(query)
    assert not (await index.info()).indexed
    await index.build()
    assert (await index.info()).indexed
    assert isinstance(index._shard, HostedShard)
    after = await index.search(query)
    assert ids_of(after) == ids_of(before)
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before], abs=1e-5)
    assert after[0].payload == before[0].payload


async def test_what_is_written_while_the_graph_is_built_is_in_the_next_generation(
    open_index: Callable[..., EdgeIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index()
    await index.create(DIM)
    points, vectors = some_points(1500)
    await index.upsert(points[:1000], vectors[:1000])
    built, may_go_on = asyncio.Event(), asyncio.Event()
    run_builder = edge_index._run_builder

    async def run_then_wait(*arguments: Any) -> None:
        await run_builder(*arguments)
        built.set()
        await may_go_on.wait()

    monkeypatch.setattr(edge_index, "_run_builder", run_then_wait)
    building = asyncio.create_task(index.build())
    await built.wait()
    await index.upsert(points[1000:], vectors[1000:])
    await index.upsert(points[:1], vectors[5:6])
    word = SparseVector((3,), (1.0,))
    await index.set_payload([IndexPoint(points[1].id, {"tags": ["new"]}, word)])
    await index.delete([point.id for point in points[2:4]])
    assert (await index.search(IndexQuery(vectors[1200], 1)))[0].id == points[1200].id
    may_go_on.set()
    await building
    assert await index.count() == 1498
    assert (await index.search(IndexQuery(vectors[1200], 1)))[0].id == points[1200].id
    records = {record.id: record for record in await index.retrieve([p.id for p in points[:5]])}
    assert set(records) == {points[0].id, points[1].id, points[4].id}
    np.testing.assert_allclose(records[points[0].id].vector, vectors[5], atol=1e-6)
    assert records[points[1].id].payload == {"tags": ["new"]}
    assert records[points[1].id].words == word


async def test_enough_points_start_a_build_by_themselves(
    open_index: Callable[..., EdgeIndex],
) -> None:
    index = open_index(build_above=300)
    await index.create(DIM)
    points, vectors = some_points(1000)
    await index.upsert(points[:250], vectors[:250])
    assert index._build is None
    await index.upsert(points[250:400], vectors[250:400])
    assert "a graph is being built" in (await index.info()).building
    await index.build()  # joins the one that runs
    assert index._generation.built == 400
    await index.upsert(points[400:450], vectors[400:450])
    assert index._build is None
    await index.upsert(points[450:600], vectors[450:600])
    await index.build()
    assert index._generation.built == 600
    assert await index.count() == 600


async def test_after_a_restart_the_graph_answers_at_once(
    open_index: Callable[..., EdgeIndex],
) -> None:
    index = open_index()
    await index.create(DIM)
    points, vectors = some_points(500)
    await index.upsert(points, vectors)
    await index.build()
    await index.upsert([point(501, category="late")], vectors[:1])
    await index.close()
    again = open_index()
    assert again.dim == DIM
    assert (await again.info()).indexed
    late = parse_filters({"category": "late"})
    assert ids_of(await again.search(IndexQuery(vectors[0], 5, late))) == [501]


async def test_a_build_that_fails_changes_nothing_and_leaves_no_rubbish(
    open_index: Callable[..., EdgeIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index()
    await index.create(DIM)
    await index.upsert(*some_points(300))
    before = sorted(path.name for path in (tmp_path / "edge").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(edge_index, "build_command", lambda *_: ["false"])
        with pytest.raises(IndexFault, match="ended with 1"):
            await index.build()
    assert sorted(path.name for path in (tmp_path / "edge").iterdir()) == before
    assert await index.count() == 300
    await index.upsert(*some_points(301))
    assert index._build is None  # it is not tried again at once
    await index.build()  # unless somebody asks
    assert await index.count() == 301


async def test_no_room_for_a_copy_is_told_before_anything_is_copied(
    open_index: Callable[..., EdgeIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_index()
    await index.create(DIM)
    await index.upsert(*some_points(10))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(StorageFull, match="building the graph needs"):
        await index.build()
    monkeypatch.undo()
    assert await index.count() == 10


async def test_leftovers_of_a_killed_build_are_removed_at_the_next_start(
    open_index: Callable[..., EdgeIndex], tmp_path: Path
) -> None:
    index = open_index()
    await index.create(DIM)
    await index.upsert(*some_points(10))
    await index.close()
    current = index._generation.number
    shutil.copytree(tmp_path / "edge" / str(current), tmp_path / "edge" / str(current + 1))
    again = open_index()
    assert await again.count() == 10
    assert not (tmp_path / "edge" / str(current + 1)).exists()


async def test_a_killed_host_is_started_again_and_nothing_is_lost(
    open_index: Callable[..., EdgeIndex],
) -> None:
    index = open_index()
    await index.create(DIM)
    points, vectors = some_points(400)
    await index.upsert(points[:300], vectors[:300])
    await index.build()
    await index.upsert(points[300:], vectors[300:])
    assert isinstance(index._shard, HostedShard)
    os.kill(index._shard.process_id, signal.SIGKILL)
    assert (await index.search(IndexQuery(vectors[399], 1)))[0].id == points[399].id
    assert await index.count() == 400


async def test_a_host_answers_as_the_shard_in_the_same_process(
    open_index: Callable[..., EdgeIndex],
) -> None:
    index = open_index()
    await index.create(DIM)
    points, vectors = some_points(40)
    words = [SparseVector((n % 3, 1 << 31), (1 + n / 100, 0.5)) for n in range(40)]
    named = [
        IndexPoint(one.id, {"tags": ["a", "b"]}, word)
        for one, word in zip(points, words, strict=True)
    ]
    await index.upsert(named, vectors)
    asked = [
        IndexQuery(vectors[0], 5),
        IndexQuery(vectors[0], 5, parse_filters({"tags": "a"}), with_payload=False),
        IndexQuery(vectors[0], 50, with_vectors=True),
        IndexQuery(None, 50, words=SparseVector((1, 2, 7), (1.0, 1.0, 1.0)), with_payload=False),
        IndexQuery(None, 3, words=SparseVector((1,), (1.0,)), with_vectors=True),
        IndexQuery(vectors[0], 5, parse_filters({"tags": "c"})),
    ]
    expected = [await index.search(query) for query in asked]
    assert [len(hits) for hits in expected] == [5, 5, 40, 26, 3, 0]
    await index.build()
    assert isinstance(index._shard, HostedShard)
    for query, hits in zip(asked, expected, strict=True):
        for hit, one in zip(await index.search(query), hits, strict=True):
            assert hit.score == pytest.approx(one.score, abs=1e-5)
            assert (hit.id, hit.payload, hit.matched) == (one.id, one.payload, one.matched)
            assert np.array_equal(hit.vector, one.vector) or hit.vector is one.vector is None


async def test_errors_of_a_host_arrive_as_what_they_are(
    open_index: Callable[..., EdgeIndex], tmp_path: Path
) -> None:
    index = open_index()
    await index.create(DIM)
    await index.upsert(*some_points(50))
    await index.build()
    with pytest.raises(IndexFault):
        await index.search(IndexQuery(np.ones(DIM + 1, np.float32), 5))
    await index.close()
    full = HostedShard(index._shard.folder, type(FREE)(min_free_bytes=1 << 60))
    with pytest.raises(StorageFull, match="are kept free"):
        full.upsert(*some_points(1))
    full.close()


async def test_an_index_of_before_there_were_generations_is_taken_over(
    open_index: Callable[..., EdgeIndex], tmp_path: Path
) -> None:
    old = EdgeShard(tmp_path / "edge", FREE)
    old.create(DIM)
    old.upsert(*some_points(20))
    old.close()
    index = open_index()
    assert await index.count() == 20
    await index.upsert(
        [IndexPoint(UUID(int=21), {}, SparseVector((1,), (1.0,)))], some_points(1)[1]
    )
    assert await index.count() == 21
