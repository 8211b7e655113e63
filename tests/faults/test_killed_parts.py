"""Parts are killed and data is lost; no picture is."""

from __future__ import annotations

import io
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.end_to_end.conftest import Stack, start_stack, stop_stack
from viewfinder.client import FileToUpload
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and kills some
    pytest.mark.timeout(300),
]

RECOVERY_S = 120


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    stack = start_stack(tmp_path / "data", "--no-frontend")
    yield stack
    stop_stack(stack)


def _pictures(count: int) -> list[FileToUpload]:
    noise = np.random.default_rng()
    files = []
    for number in range(count):
        buffer = io.BytesIO()
        pixels = noise.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG")
        files.append(FileToUpload(buffer.getvalue(), file_name=f"{number}.jpg"))
    return files


def _processes(stack: Stack, *words: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if all(word in line for word in words) and process.environ().get(
                "VIEWFINDER_DATA_DIR"
            ) == str(stack.data_dir):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _kill(stack: Stack, *words: str) -> None:
    victims = _processes(stack, *words)
    assert victims, f"no process like {words} runs"
    for process in victims:
        process.send_signal(signal.SIGKILL)


def _wait_until_indexed(stack: Stack, job_id: str, count: int) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        job = stack.client.job(job_id)
        if job.done:
            assert (job.total, job.indexed, job.failed) == (count, count, 0), job
            return
        time.sleep(0.2)
    raise AssertionError(f"not all indexed after {RECOVERY_S} s: {stack.client.job(job_id)}")


def test_a_worker_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    own_stack: Stack,
) -> None:
    job_id = new_id()
    files = _pictures(200)
    for start in range(0, 200, 20):
        own_stack.client.upload(files[start : start + 20], job_id=job_id)
    while own_stack.client.job(job_id).indexed == 0:
        time.sleep(0.02)
    _kill(own_stack, "-m worker")
    assert own_stack.client.job(job_id).indexed < 200, "killed too late to prove anything"
    _wait_until_indexed(own_stack, job_id, 200)
    assert own_stack.client.stats().collection.vectors_count == 200


def test_losing_the_queue_with_all_its_data_loses_no_picture(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    job_id = new_id()
    files = _pictures(100)
    own_stack.client.upload(files[:50], job_id=job_id)
    _kill(own_stack, "valkey")
    shutil.rmtree(own_stack.data_dir / "queue", ignore_errors=True)
    accepted = own_stack.client.upload(files[50:], job_id=job_id)
    assert len(accepted.images) == 50
    _wait_until_indexed(own_stack, job_id, 100)


def test_the_embedding_service_killed_under_upload_only_delays(own_stack: Stack) -> None:
    job_id = new_id()
    files = _pictures(100)
    own_stack.client.upload(files[:50], job_id=job_id)
    _kill(own_stack, "-m embedding_service")
    own_stack.client.upload(files[50:], job_id=job_id)
    _wait_until_indexed(own_stack, job_id, 100)


def test_the_index_killed_and_started_again_has_everything_acknowledged(own_stack: Stack) -> None:
    job_id = new_id()
    own_stack.client.upload(_pictures(40), job_id=job_id)
    _wait_until_indexed(own_stack, job_id, 40)
    _kill(own_stack, "-m search_service")
    deadline = time.monotonic() + RECOVERY_S
    while not own_stack.client.ready().ready and time.monotonic() < deadline:
        time.sleep(0.2)
    assert own_stack.client.stats().collection.vectors_count == 40
