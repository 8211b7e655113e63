"""`python -m gateway` as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import free_port
from tests.gateway.fake_records import JOB_ID
from tests.gateway.fake_services import FakeServices
from tests.gateway.waiting import until
from viewfinder.v1 import catalog_pb2, search_pb2


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    return {**os.environ, "VIEWFINDER_DATA_DIR": str(tmp_path), "API_HOST": "127.0.0.1", **values}


def run(tmp_path: Path, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway"],
        env=environment(tmp_path, **values),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def running(
    services: FakeServices, tmp_path: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    names = ("UPLOAD", "EMBEDDING", "SEARCH", "IMAGE")
    addresses = {f"VIEWFINDER_{name}_ADDRESS": services.address for name in names}
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        env=environment(tmp_path, API_PORT=str(port), **addresses),
        stderr=subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            while True:
                try:
                    await client.get("/health")
                    break
                except httpx.ConnectError:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_told_to_stop_it_lets_watchers_go_and_exits_with_0(
    running: tuple[asyncio.subprocess.Process, httpx.AsyncClient], services: FakeServices
) -> None:
    process, client = running
    services.catalog.news.put_nowait(catalog_pb2.Job(job_id=JOB_ID, total=1, stored=1))
    async with client.stream("GET", f"/jobs/{JOB_ID}/events") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: job"
        process.send_signal(signal.SIGTERM)
        # Well before uvicorn's own limit, after which it would break connections off.
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_told_to_stop_it_finishes_what_is_in_flight(
    running: tuple[asyncio.subprocess.Process, httpx.AsyncClient], services: FakeServices
) -> None:
    process, client = running
    services.search.delay_s = 1.0
    searching = asyncio.create_task(client.post("/search", json={"query": "a cat"}))
    await until(
        lambda: any(isinstance(one, search_pb2.SearchRequest) for one in services.search.requests)
    )
    process.send_signal(signal.SIGTERM)
    assert (await searching).status_code == 200
    assert await process.wait() == 0


def test_open_to_the_world_without_a_key_it_exits_with_2_and_says_why(tmp_path: Path) -> None:
    ended = run(tmp_path, API_HOST="0.0.0.0", REDIS_PASSWORD="sesame")
    assert ended.returncode == 2
    assert "VIEWFINDER_API_KEY" in ended.stderr
    assert "VIEWFINDER_ALLOW_ANONYMOUS" in ended.stderr
    assert "sesame" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ended = run(tmp_path, API_PORT=str(listener.getsockname()[1]))
    assert ended.returncode == 1
    assert "API_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "99999"),
        ("VIEWFINDER_BODY_IDLE_S", "0"),
        ("VIEWFINDER_PUBLIC_URL", "pictures.example"),
    ],
)
def test_a_wrong_setting_is_one_line_naming_it(tmp_path: Path, name: str, value: str) -> None:
    ended = run(tmp_path, **{name: value})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name}='{value}'")
    assert len(ended.stderr.splitlines()) == 1
