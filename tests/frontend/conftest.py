"""A small real HTTP server that answers as the gateway does, from pictures held in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st


def record(image_id: str, name: str) -> dict[str, Any]:
    return {
        "id": image_id,
        "url": f"/images/{image_id}/content",
        "thumbnail_url": f"/images/{image_id}/content?width=320&format=webp",
        "state": "indexed",
        "file_name": name,
        "media_type": "image/jpeg",
        "size_bytes": 123_456,
        "width": 640,
        "height": 480,
        "tags": ["pets"],
    }


@dataclass
class FakeGateway:
    """What it has, and what it was asked."""

    images: list[dict[str, Any]] = field(default_factory=list)
    searches: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, Any] | None = None
    url: str = ""

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        address = urlsplit(target)
        path, query = address.path, parse_qs(address.query)
        if self.problem is not None:
            return int(self.problem["status"]), self.problem
        if (method, path) == ("POST", "/search"):
            self.searches.append(json.loads(body))
            return 200, self._hits(self.images)
        if path.endswith("/similar"):
            own = path.split("/")[2]
            return 200, self._hits([image for image in self.images if image["id"] != own])
        if (method, path) == ("GET", "/images"):
            page = self.images[: int(query["limit"][0])]
            return 200, {"images": page, "total": len(self.images), "next_cursor": None}
        found = next(image for image in self.images if image["id"] == path.split("/")[2])
        if method == "DELETE":
            self.deleted.append(found["id"])
        if method == "PATCH":
            self.updates.append(json.loads(body))
        return 200, found

    def _hits(self, images: list[dict[str, Any]]) -> dict[str, Any]:
        hits = [
            {
                "id": image["id"],
                "score": 0.5 - number / 100,
                "url": image["url"],
                "thumbnail_url": image["thumbnail_url"],
                "metadata": {"file_name": image["file_name"]},
            }
            for number, image in enumerate(images)
        ]
        return {"query": "q", "results": hits, "total": len(hits), "latency_ms": 1.0}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """A gateway that the page under test talks to."""
    fake = FakeGateway()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, answer = fake.answer(self.command, self.path, self.rfile.read(length))
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815 - the names http.server calls

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("VIEWFINDER_API_URL", fake.url)
    st.cache_resource.clear()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()
