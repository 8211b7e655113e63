"""A stand-in in a process of its own, to be killed.

`python -m tests.vision.counting_server PORT LOG PAUSE_S [COLOUR...]` writes a line for each picture
that it begins to describe, and one when it has answered. Pictures of these colours it refuses.
"""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vision.model_server import ModelServer, Received, serve
from tests.vision.ollama_server import OllamaHandler

START_S = 30


class CountingHandler(OllamaHandler):
    log: int
    pause_s: float

    def answer(self, received: Received) -> None:
        messages = received.body.get("messages", ())
        pictures = [one for message in messages for one in message.get("images") or ()]
        names = [hashlib.sha256(base64.b64decode(one)).hexdigest() for one in pictures]
        self._note("began", names)
        time.sleep(self.pause_s)
        super().answer(received)
        self._note("answered", names)

    def _note(self, what: str, names: list[str]) -> None:
        for name in names:
            os.write(self.log, f"{what} {name}\n".encode())


@dataclass
class CountingServer:
    """May be killed, and started again at the same address."""

    port: int
    log: Path
    pause_s: float
    refused: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = [str(self.port), str(self.log), str(self.pause_s), *self.refused]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.vision.counting_server", *arguments]
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline, "the stand-in does not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def forget(self) -> None:
        """What was described so far."""
        os.truncate(self.log, 0)

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """How often each picture was begun, and answered."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return (
            Counter(name for what, name in lines if what == "began"),
            Counter(name for what, name in lines if what == "answered"),
        )


@contextmanager
def counting_server(
    log: Path, pause_s: float, refused: tuple[str, ...] = ()
) -> Iterator[CountingServer]:
    log.touch()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    server = CountingServer(port, log, pause_s, refused)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def main() -> None:
    port, log, pause_s, *refused = sys.argv[1:]

    class Handler(CountingHandler):
        pass

    Handler.log = os.open(log, os.O_WRONLY | os.O_APPEND)
    Handler.pause_s = float(pause_s)
    model = ModelServer("ollama", refused_colours=frozenset(refused))
    with serve(model, Handler, int(port)):
        signal.pause()


if __name__ == "__main__":
    main()
