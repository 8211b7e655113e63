"""embedding_service in a process of its own, as it serves, to be measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil

from bench.encoders import EncoderChoice, EncoderProblem
from embedding_service.encoders.base import PixelArray
from viewfinder import rpc
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

_START_S = 300.0
_CALL_S = 120.0
_STOP_S = 30.0
_POLL_S = 0.002
_SERVICE = "embedding_service"


@dataclass(frozen=True)
class RunningService:
    """It answers. `startup_s`: from the start of the process to the first answer of GetSpec."""

    process: psutil.Process
    address: str
    channel: grpc.Channel
    startup_s: float

    def embed_texts(self, texts: Sequence[str]) -> bytes:
        """Vectors as they arrive."""
        request = embedding_pb2.EmbedTextRequest(texts=texts)
        stub = embedding_pb2_grpc.EmbeddingServiceStub(self.channel)
        return stub.EmbedText(request, timeout=_CALL_S).vectors.data

    def embed_images(self, pixels: PixelArray) -> bytes:
        """The same for uint8 [n, size, size, 3]."""
        count, height, width, _ = pixels.shape
        message = common_pb2.Pixels(data=pixels.tobytes(), count=count, height=height, width=width)
        request = embedding_pb2.EmbedImagesRequest(pixels=message)
        stub = embedding_pb2_grpc.EmbeddingServiceStub(self.channel)
        return stub.EmbedImages(request, timeout=_CALL_S).vectors.data

    def rss_mb(self) -> float:
        """Memory that the process holds now, in 10^6 bytes."""
        return float(self.process.memory_info().rss / 1e6)

    def has_torch(self) -> bool:
        """Whether torch is loaded in it."""
        return any("libtorch" in region.path for region in self.process.memory_maps())


@contextmanager
def own_service(choice: EncoderChoice) -> Iterator[RunningService]:
    """A service with this encoder, that remembers no texts, stopped afterwards.

    Raises:
        EncoderProblem: it does not start; the message has what it said.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-bench-") as folder:
        socket = Path(folder) / "embedding.sock"
        address = f"unix:{socket}"
        environment = {
            **os.environ,
            **choice.environment(),
            "VIEWFINDER_DATA_DIR": folder,
            "VIEWFINDER_EMBEDDING_ADDRESS": address,
            "VIEWFINDER_LISTEN_ADDRESS": "",
            "VIEWFINDER_TEXT_CACHE_SIZE": "0",
        }
        said = Path(folder) / "said.log"
        with said.open("wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _SERVICE], env=environment, stdout=log, stderr=log
            )
            try:
                # The socket is there once the encoder is warm; to knock earlier would make gRPC
                # wait before it knocks again.
                while not socket.exists():
                    if process.poll() is not None or time.perf_counter() - began > _START_S:
                        raise EncoderProblem(f"{_SERVICE} does not start: {_last_line(said)}")
                    time.sleep(_POLL_S)
                with rpc.open_blocking_channel(address, _SERVICE) as channel:
                    stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)
                    stub.GetSpec(embedding_pb2.GetSpecRequest(), timeout=_CALL_S)
                    startup_s = time.perf_counter() - began
                    yield RunningService(psutil.Process(process.pid), address, channel, startup_s)
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _last_line(file: Path) -> str:
    lines = file.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
