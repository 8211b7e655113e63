"""A Viewfinder of its own for a measurement: empty, on a free port, removed afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_stack() -> Iterator[str]:
    """The address of its gateway while it runs.

    Raises:
        RuntimeError: it does not start; the text says why.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-bench-") as folder:
        port = _free_port()
        environment = {**os.environ, "VIEWFINDER_DATA_DIR": folder, "API_PORT": str(port)}

        def viewfinder(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "viewfinder.cli", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        started = viewfinder("up", "--detach", "--no-frontend", "--timeout", "120")
        try:
            if started.returncode != 0:
                raise RuntimeError(f"the stack does not start:\n{started.stderr}")
            yield f"http://127.0.0.1:{port}"
        finally:
            viewfinder("down")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
