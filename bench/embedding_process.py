"""An embedding_service of its own for a measurement, asked over gRPC as its neighbours do."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from embedding_service.settings import EmbeddingSettings
from viewfinder.errors import ViewfinderError
from viewfinder.rpc import open_blocking_channel
from viewfinder.settings import load_settings
from viewfinder.v1 import embedding_pb2, embedding_pb2_grpc

START_S = 180.0
_STOP_S = 30.0


@dataclass(frozen=True)
class EmbeddingProcess:
    """Where it listens, how long it took to be ready, and its stub (blocking)."""

    address: str
    start_s: float
    process: psutil.Process
    stub: Any

    def memory_mb(self) -> float:
        """Resident memory now, MB."""
        return float(self.process.memory_info().rss / 1e6)


@contextmanager
def embedding_process(encoder: str, threads: int = 1) -> Iterator[EmbeddingProcess]:
    """Runs while the context lasts, without a cache of texts.

    Raises:
        LookupError: it does not start; the message is its own last line.
    """
    models = load_settings(EmbeddingSettings).models_dir.absolute()
    with tempfile.TemporaryDirectory(prefix="viewfinder-bench-") as folder:
        address = f"unix:{folder}/embedding.sock"
        environment = {
            **os.environ,
            "VIEWFINDER_DATA_DIR": folder,
            "VIEWFINDER_MODELS_DIR": str(models),
            "VIEWFINDER_EMBEDDING_ADDRESS": address,
            "VIEWFINDER_ENCODER": encoder,
            "VIEWFINDER_ENCODER_THREADS": str(threads),
            "VIEWFINDER_TEXT_CACHE_SIZE": "0",
        }
        with (Path(folder) / "log").open("wb+") as log:
            start = time.perf_counter()
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "embedding_service"], env=environment, stderr=log
            )
            try:
                with open_blocking_channel(address, "embedding_service") as channel:
                    stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(channel)
                    _wait(child, stub, log, start)
                    start_s = time.perf_counter() - start
                    yield EmbeddingProcess(address, start_s, psutil.Process(child.pid), stub)
            finally:
                child.terminate()
                try:
                    child.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()


def _wait(child: subprocess.Popen[bytes], stub: Any, log: Any, start: float) -> None:
    while True:
        try:
            stub.GetSpec(embedding_pb2.GetSpecRequest(), timeout=1)
        except (ViewfinderError, grpc.RpcError):
            if child.poll() is not None or time.perf_counter() - start > START_S:
                log.seek(0)
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
                reason = lines[-1] if lines else f"exit status {child.returncode}"
                raise LookupError(f"embedding_service does not start: {reason}") from None
            time.sleep(0.01)
        else:
            return
