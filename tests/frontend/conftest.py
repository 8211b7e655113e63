"""A small real HTTP server that answers as the gateway does, from pictures held in memory."""

from __future__ import annotations

import json
import re
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


def problem(status: int, detail: str, code: str = "unsupported_media_type") -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "Not a picture we can read",
        "status": status,
        "detail": detail,
        "code": code,
    }


@dataclass
class FakeGateway:
    """What it has, what it was asked, and which file names it refuses or cannot index."""

    images: list[dict[str, Any]] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    searches: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)
    tags: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, Any] | None = None
    vision: dict[str, Any] = field(
        default_factory=lambda: {"enabled": True, "ready": True, "model": "m", "server": "s"}
    )
    questions: list[dict[str, Any]] = field(default_factory=list)
    answer_events: str = ""
    url: str = ""
    relevance: float | None = None

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        address = urlsplit(target)
        path, query = address.path, parse_qs(address.query)
        if self.problem is not None:
            return int(self.problem["status"]), self.problem
        if path == "/answer":
            return self._answer_question(method, body)
        if (method, path) == ("POST", "/search"):
            asked = json.loads(body)
            self.searches.append(asked)
            return 200, self._page(asked)
        if (method, path) == ("POST", "/images"):
            return self._take(body)
        if path.endswith("/events"):
            return 200, self._job(path.split("/")[2])
        if path.endswith("/similar"):
            own = path.split("/")[2]
            return 200, self._hits([image for image in self.images if image["id"] != own])
        if (method, path) == ("GET", "/images"):
            self.lists.append(target)
            page = self.images[: int(query["limit"][0])]
            return 200, {"images": page, "total": len(self.images), "next_cursor": None}
        found = next(image for image in self.images if image["id"] == path.split("/")[2])
        if method == "DELETE":
            self.deleted.append(found["id"])
        if method == "PATCH":
            self.updates.append(json.loads(body))
        return 200, found

    def _answer_question(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return 200, self.vision
        self.questions.append(json.loads(body))
        return 200, {"events": self.answer_events}

    def _take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.uploads.append(body)
        names = [name.decode() for name in re.findall(rb'filename="([^"]+)"', body)]
        for name in names:
            if name not in self.refuses:
                self.images.append(record(f"id-of-{name}", name))
        rejected = [
            {"file_name": name, "error": problem(415, self.refuses[name])}
            for name in names
            if name in self.refuses
        ]
        accepted = [
            {**record(f"id-of-{name}", name), "duplicate": False}
            for name in names
            if name not in self.refuses
        ]
        return 202, {"images": accepted, "rejected": rejected, "job_id": "j"}

    def _job(self, job_id: str) -> dict[str, Any]:
        failures = [
            {"image_id": image["id"], "file_name": image["file_name"], "reason": reason}
            for image in self.images
            if (reason := self.fails.get(image["file_name"]))
        ]
        return {
            "job_id": job_id,
            "total": len(self.images),
            "stored": 0,
            "indexed": len(self.images) - len(failures),
            "failed": len(failures),
            "gone": 0,
            "done": True,
            "failures": failures,
        }

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        start, size = int(asked.get("cursor", 0)), asked["top_k"]
        answer = self._hits(self.images[start : start + size])
        if start + size < len(self.images):
            answer["next_cursor"] = str(start + size)
        if asked.get("facets"):
            answer["facets"] = [{"key": "tags", "values": self.tags}]
        return answer

    def _hits(self, images: list[dict[str, Any]]) -> dict[str, Any]:
        hits = [
            {
                "id": image["id"],
                "score": 0.5 - number / 100,
                "relevance": self.relevance,
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
            content, media_type = json.dumps(answer).encode(), "application/json"
            if "events" in answer:
                content, media_type = answer["events"].encode(), "text/event-stream"
            if self.path.endswith("/events"):
                content, media_type = b"event: job\ndata: " + content + b"\n\n", "text/event-stream"
            self.send_response(status)
            self.send_header("Content-Type", media_type)
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
    st.cache_data.clear()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()
