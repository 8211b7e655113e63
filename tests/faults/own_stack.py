"""What is done to a Viewfinder whose parts a test may kill."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import psutil
from PIL import Image

from tests.end_to_end.conftest import Stack
from viewfinder.client import FileToUpload
from viewfinder.errors import ViewfinderError

RECOVERY_S = 120


def noise_pictures(count: int) -> list[FileToUpload]:
    noise = np.random.default_rng()
    files = []
    for number in range(count):
        buffer = io.BytesIO()
        pixels = noise.integers(0, 255, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG")
        files.append(FileToUpload(buffer.getvalue(), file_name=f"{number}.jpg"))
    return files


def processes_of(stack: Stack, *words: str) -> list[psutil.Process]:
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


def kill(stack: Stack, *words: str) -> None:
    victims = processes_of(stack, *words)
    assert victims, f"no process like {words} runs"
    for process in victims:
        process.send_signal(signal.SIGKILL)


def start(stack: Stack, *arguments: str) -> subprocess.Popen[bytes]:
    """Run the `viewfinder` command against it, to be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "viewfinder.cli", *arguments],
        env=stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_when(process: subprocess.Popen[bytes], is_time: Callable[[], bool]) -> None:
    """As soon as it is time, which must come before its end."""
    while not is_time():
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def wait_until_indexed(stack: Stack, job_id: str, count: int) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        job = stack.client.job(job_id)
        if job.done:
            assert (job.total, job.indexed, job.failed) == (count, count, 0), job
            return
        time.sleep(0.2)
    raise AssertionError(f"not all indexed after {RECOVERY_S} s: {stack.client.job(job_id)}")


def wait_until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        try:
            if stack.client.ready().ready:
                return
        except ViewfinderError:
            pass  # the gateway itself is starting again
        time.sleep(0.1)
    raise AssertionError(f"not ready after {RECOVERY_S} s")
