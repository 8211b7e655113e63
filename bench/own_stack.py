"""A Viewfinder of its own for a measurement, on a free port, stopped afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bench.simulate import encoder_name


@contextmanager
def own_stack(
    data_dir: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """The address of its gateway while it runs: on `data_dir`, or on an empty folder that is
    removed afterwards. `settings` are put into its environment.

    Raises:
        RuntimeError: it does not start; the text says why.
    """
    with _folder(data_dir) as folder:
        port = _free_port()
        environment = {**os.environ, "VIEWFINDER_DATA_DIR": str(folder), "API_PORT": str(port)}
        environment |= settings or {}
        name = encoder_name(Path(folder))
        if name:  # else the default one would be loaded beside it
            environment |= {"VIEWFINDER_ENCODER": name, "CLIP_VECTOR_DIM": "0"}

        def viewfinder(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-P", "-m", "viewfinder.cli", *arguments],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        started = viewfinder("up", "--detach", "--no-frontend", "--timeout", "120")
        if started.returncode != 0:
            # Never `down` here: it may be another's that runs on this folder.
            raise RuntimeError(f"the stack does not start:\n{started.stderr}")
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            viewfinder("down")


def _folder(data_dir: Path | None) -> tempfile.TemporaryDirectory[str] | nullcontext[str]:
    if data_dir is not None:
        return nullcontext(str(data_dir.absolute()))
    return tempfile.TemporaryDirectory(prefix="viewfinder-bench-")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
