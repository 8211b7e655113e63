"""A gateway that answers every search at once with the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TIMING = "gateway;dur=0.5, service;dur=0.4, embedding;dur=0.1, index;dur=0.2"


class FakeGateway:
    """`searches` are the bodies it was asked with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.searches: list[dict[str, Any]] = []
        self.status = 200
        self.timing = TIMING


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer takes 40 ms

        def do_GET(self) -> None:
            stats = {"collection": {"vectors_count": 7, "indexed": True, "encoder": {"dim": 512}}}
            self._answer(stats if self.path == "/stats" else {}, 200)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            gateway.searches.append(json.loads(body))
            self._answer({"results": [{}, {}], "cached": False}, gateway.status)

        def _answer(self, content: object, status: int) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Server-Timing", gateway.timing)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    gateway = FakeGateway(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
