"""search_service as a process: killed, started twice, started in a bad place."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest

from search_service.wire import spec_message
from tests.search_service.points import DIM, SPEC, some_points
from viewfinder import rpc
from viewfinder.errors import ServiceUnavailable, ViewfinderError
from viewfinder.v1 import common_pb2, search_pb2, search_pb2_grpc

CYCLES = 4
BATCH = 16


class Process:
    """`python -m search_service` over one data folder."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self._data_dir = data_dir
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._channels: list[Any] = []

    def spawn(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "VIEWFINDER_DATA_DIR": str(self._data_dir), **self._settings}
        return subprocess.Popen(
            [sys.executable, "-m", "search_service"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def start(self) -> Any:
        """A client, once the service answers."""
        self._process = self.spawn()
        channel = rpc.open_channel(f"unix:{self._data_dir}/run/search.sock", "search_service")
        self._channels.append(channel)
        stub = search_pb2_grpc.SearchServiceStub(channel)
        for _ in range(200):
            try:
                await stub.GetCollection(search_pb2.GetCollectionRequest(), timeout=5)
                break
            except ViewfinderError:
                await asyncio.sleep(0.05)
        return stub

    def end(self, number: int) -> int:
        """Send the signal and wait; the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        self._process.communicate()
        status = self._process.returncode
        self._process = None
        return status

    async def close(self) -> None:
        self.end(signal.SIGKILL)
        for channel in self._channels:
            await channel.close()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    yield process
    await process.close()


def batch_of(first: int) -> search_pb2.UpsertRequest:
    points, vectors = some_points(BATCH, seed=first)
    return search_pb2.UpsertRequest(
        spec=spec_message(SPEC),
        points=[search_pb2.Point(id=str(UUID(int=first + point.id.int))) for point in points],
        vectors=common_pb2.Vectors(data=vectors.tobytes(), count=BATCH, dim=DIM),
    )


@pytest.mark.slow  # starts the process five times
async def test_everything_acknowledged_survives_kill_9(process: Process) -> None:
    acknowledged: set[str] = set()
    epochs: list[int] = []
    for cycle in range(CYCLES):
        stub = await process.start()

        async def write(lane: int, stub: Any = stub, cycle: int = cycle) -> None:
            for number in range(10_000):
                request = batch_of(((cycle * 4 + lane) * 10_000 + number) * BATCH)
                try:
                    epochs.append((await stub.Upsert(request, timeout=5)).epoch)
                except ViewfinderError:
                    return
                acknowledged.update(point.id for point in request.points)

        before = len(acknowledged)
        writing = [asyncio.create_task(write(lane)) for lane in range(4)]
        while len(acknowledged) < before + 25 * BATCH:
            await asyncio.sleep(0.01)
        process.end(signal.SIGKILL)
        await asyncio.gather(*writing)
    stub = await process.start()
    state = await stub.GetCollection(search_pb2.GetCollectionRequest())
    assert state.vectors_count >= len(acknowledged) >= CYCLES * 25 * BATCH
    assert len(epochs) == len(set(epochs))
    assert state.epoch >= max(epochs)
    for image_id in sorted(acknowledged)[:: len(acknowledged) // 100]:
        await stub.Search(search_pb2.SearchRequest(image_id=image_id, top_k=1))
    # Deleting all that was acknowledged must leave only what was never answered.
    ids = sorted(acknowledged)
    for start in range(0, len(ids), 1000):
        await stub.DeletePoints(search_pb2.DeletePointsRequest(ids=ids[start : start + 1000]))
    left = await stub.GetCollection(search_pb2.GetCollectionRequest())
    assert left.vectors_count == state.vectors_count - len(acknowledged)


@pytest.mark.slow  # starts the process six times
async def test_kill_9_at_any_moment_of_building_a_graph_loses_nothing(tmp_path: Path) -> None:
    """In the copy, in the builder, while catching up, just before and after the swap."""
    process = Process(tmp_path, VIEWFINDER_BUILD_ABOVE="1000")
    generations = tmp_path / "index" / "edge"
    acknowledged: set[str] = set()
    batches = itertools.count()
    pause = random.Random(7)

    async def write(stub: Any, goal: float = math.inf) -> None:
        while len(acknowledged) < goal:
            request = batch_of(next(batches) * BATCH)
            try:
                await stub.Upsert(request, timeout=10)
            except ViewfinderError:
                return
            acknowledged.update(point.id for point in request.points)

    try:
        for _ in range(5):
            stub = await process.start()
            goal = len(acknowledged) + 1100
            known = set(generations.glob("*"))
            await write(stub, goal)
            while set(generations.glob("*")) <= known:
                await asyncio.sleep(0.002)
            going_on = asyncio.create_task(write(stub))
            await asyncio.sleep(pause.uniform(0, 1.5))
            process.end(signal.SIGKILL)
            await going_on
        stub = await process.start()
        await write(stub, len(acknowledged) + 300)
        state = await stub.GetCollection(search_pb2.GetCollectionRequest())
        while not state.indexed or len(list(generations.iterdir())) > 2:
            await asyncio.sleep(0.05)
            state = await stub.GetCollection(search_pb2.GetCollectionRequest())
        assert state.vectors_count >= len(acknowledged) > 5500
        for image_id in sorted(acknowledged)[::50]:
            await stub.Search(search_pb2.SearchRequest(image_id=image_id, top_k=1))
        assert process.end(signal.SIGTERM) == 0
        await asyncio.sleep(0.2)
        assert not [
            child.pid
            for child in psutil.process_iter(["cmdline"])
            if str(tmp_path) in " ".join(child.info["cmdline"] or [])
        ]
    finally:
        await process.close()


@pytest.mark.slow  # starts the process twice
async def test_a_second_process_on_the_same_folder_ends_with_one_line(process: Process) -> None:
    await process.start()
    _, complaint = process.spawn().communicate(timeout=30)
    assert complaint.count("\n") == 1
    assert "in use by another process" in complaint


@pytest.mark.slow  # starts the process
async def test_sigterm_ends_it_with_status_0_and_the_encoder_away_is_named(
    process: Process,
) -> None:
    stub = await process.start()
    with pytest.raises(ServiceUnavailable) as caught:
        await stub.Search(search_pb2.SearchRequest(text="a cat", top_k=3))
    assert caught.value.service == "embedding_service"
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.slow  # starts the process
@pytest.mark.parametrize("obstacle", ["file instead of folder", "damaged", "binding damaged"])
async def test_an_index_that_cannot_be_opened_is_one_line_and_status_1(
    process: Process, tmp_path: Path, obstacle: str
) -> None:
    index = tmp_path / "index"
    if obstacle == "file instead of folder":
        index.write_text("not a folder")
    elif obstacle == "damaged":
        (index / "edge").mkdir(parents=True)
        (index / "edge" / "edge_config.json").write_text("{")
    else:
        index.mkdir()
        (index / "encoder.json").write_text("{}")
    started = process.spawn()
    _, complaint = started.communicate(timeout=30)
    assert started.returncode == 1
    assert complaint.count("\n") == 1
    assert str(index) in complaint
