"""A Hugging Face hub on this machine: one repository, ranges, and connections that break off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "1" * 40


class FakeHub:
    """Serves `files`; `breaks_after` bytes once; `lies` says a wrong checksum."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks_after: int | None = None
        self.lies = False
        self.ranges: list[str] = []
        self.address = ""


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A running hub."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

        def _answer(self, *, body: bool) -> None:
            name = self.path.partition("/resolve/main/")[2]
            content = hub.files.get(name)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
            sent = content[start:]
            self.send_response(206 if start else 200)
            digest = hashlib.sha256(content + (b"x" if hub.lies else b"")).hexdigest()
            self.send_header("ETag", f'"{digest}"')
            self.send_header("X-Linked-ETag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                end = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if not body:
                return
            hub.ranges.append(asked)
            if hub.breaks_after is not None:
                sent, hub.breaks_after = sent[: hub.breaks_after], None
                self.wfile.write(sent)
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
