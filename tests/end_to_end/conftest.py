"""A whole running Viewfinder: one started here, or the one that the environment names."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from viewfinder.client import Client

START_TIMEOUT_S = 120


@dataclass(frozen=True)
class Stack:
    """Where a running Viewfinder answers. `data_dir` is None when it was not started here."""

    api_url: str
    frontend_url: str
    client: Client
    data_dir: Path | None
    environment: dict[str, str]

    def viewfinder(
        self, *arguments: str, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run the `viewfinder` command against it."""
        return subprocess.run(
            [sys.executable, "-m", "viewfinder.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_stack(data_dir: Path, *options: str, settings: Mapping[str, str] | None = None) -> Stack:
    """A Viewfinder of its own on free ports, ready when this returns; `settings` as environment
    variables."""
    api_port, frontend_port = free_port(), free_port()
    environment = {
        **os.environ,
        "VIEWFINDER_DATA_DIR": str(data_dir),
        "API_PORT": str(api_port),
        "VIEWFINDER_FRONTEND_PORT": str(frontend_port),
        "VIEWFINDER_API_URL": f"http://127.0.0.1:{api_port}",
        **(settings or {}),
    }
    api_url = environment["VIEWFINDER_API_URL"]
    stack = Stack(
        api_url, f"http://127.0.0.1:{frontend_port}", Client(api_url), data_dir, environment
    )
    up = stack.viewfinder("up", "--detach", *options, timeout_s=START_TIMEOUT_S)
    if up.returncode != 0:
        stop_stack(stack)
        raise RuntimeError(f"viewfinder up failed with {up.returncode}:\n{up.stdout}\n{up.stderr}")
    return stack


def stop_stack(stack: Stack) -> None:
    down = stack.viewfinder("down")
    stack.client.close()
    assert down.returncode == 0, down.stderr


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared by all tests that only add to it; those that break things start their own."""
    api_url = os.environ.get("VIEWFINDER_TEST_API_URL")
    if api_url:
        frontend_url = os.environ.get("VIEWFINDER_TEST_FRONTEND_URL", "")
        with Client(api_url) as client:
            yield Stack(
                api_url,
                frontend_url,
                client,
                None,
                {**os.environ, "VIEWFINDER_API_URL": api_url},
            )
        return
    started = start_stack(tmp_path_factory.mktemp("viewfinder"))
    yield started
    stop_stack(started)


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """A maker of pictures that no other test uploaded: `jpeg()` noise, `jpeg("cat")` a sample."""

    def make(sample: str | None = None) -> bytes:
        seed = uuid.uuid4().int % 2**32
        noise = np.random.default_rng(seed)
        if sample is None:
            pixels = noise.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        else:
            pixels = np.array(getattr(skimage.data, sample)())
            pixels[0, :8] = noise.integers(0, 255, pixels[0, :8].shape)  # other bytes, same picture
        buffer = io.BytesIO()
        Image.fromarray(pixels).convert("RGB").save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    return make
