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
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
import streamlit as st

from viewfinder.ids import page_id


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


def document(document_id: str, name: str, pages: int) -> list[dict[str, Any]]:
    """A PDF and its pages."""
    of_all = {"media_type": "application/pdf", "pages": pages}
    whole = {**record(document_id, name), **of_all, "kind": "document"}
    return [
        whole,
        *(
            {
                **record(str(page_id(UUID(document_id), number)), name),
                **of_all,
                "kind": "page",
                "page": number,
                "size_bytes": 0,
                "document_id": document_id,
                "document_url": whole["url"],
                "text_source": "ocr",
            }
            for number in range(1, pages + 1)
        ),
    ]


def problem(status: int, detail: str, code: str = "unsupported_media_type") -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "Not a picture we can read",
        "status": status,
        "detail": detail,
        "code": code,
    }


@dataclass
class FakeDescriptions:
    """What `/descriptions` tells; `waiting` ids are done when `work` is called."""

    is_on: bool = True
    waiting: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)  # all but those that only count
    held_up: str | None = None
    failures: list[dict[str, str]] = field(default_factory=list)
    stopped: int = 0

    def answer(
        self, method: str, body: bytes, images: list[dict[str, Any]]
    ) -> tuple[int, dict[str, Any]]:
        described = [image for image in images if image.get("description")]
        if method == "DELETE":
            self.stopped += len(self.waiting)
            stopped, self.waiting = len(self.waiting), []
            return 200, {"stopped": stopped}
        if method == "GET":
            return 200, {
                "enabled": self.is_on,
                "model": "m",
                "waiting": len(self.waiting),
                "in_hand": 0,
                "described": len(described),
                "edited": 0,
                "failed": len(self.failures),
                "held_up": self.held_up,
                "failures": self.failures,
            }
        if not self.is_on:
            return 409, {**problem(409, "off", "llm_disabled"), "fields": {"what": "Describing"}}
        wish = json.loads(body)
        meant = [one["id"] for one in images if wish.get("all") or one["id"] in wish["ids"]]
        known = {one["id"] for one in described if not wish.get("again")}
        wanted = [one for one in meant if one not in known and one not in self.waiting]
        answer = {
            "asked": len(wanted),
            "waiting": len(set(meant) & set(self.waiting)),
            "described": len(set(meant) & known),
            "unknown": 0,
            "model": "m",
            "estimate": {"input_tokens": 1234, "output_tokens": 567, "cost": 0.25},
        }
        if not wish.get("dry_run"):
            self.asked.append(wish)
            self.waiting += wanted
        return 202, answer


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
    locked: dict[str, str] = field(default_factory=dict)  # file names, and what opens them
    tags: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, Any] | None = None
    vision: dict[str, Any] = field(
        default_factory=lambda: {"enabled": True, "ready": True, "model": "m", "server": "s"}
    )
    questions: list[dict[str, Any]] = field(default_factory=list)
    answer_events: str = ""
    descriptions: FakeDescriptions = field(default_factory=FakeDescriptions)
    url: str = ""
    relevance: float | None = None
    matched: list[str] = field(default_factory=list)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, Any]]:
        address = urlsplit(target)
        path, query = address.path, parse_qs(address.query)
        if self.problem is not None:
            return int(self.problem["status"]), self.problem
        if path == "/answer":
            return self._answer_question(method, body)
        if path == "/descriptions":
            return self.descriptions.answer(method, body, self.images)
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
            whole = [image for image in self.images if image.get("kind") != "page"]
            page = whole[: int(query["limit"][0])]
            return 200, {"images": page, "total": len(whole), "next_cursor": None}
        if path.endswith("/text"):
            return 200, {"source": "ocr", "text": "Harlow Optics\n<b>Total 12</b>", "words": []}
        found = next(image for image in self.images if image["id"] == path.split("/")[2])
        if method == "DELETE":
            self.deleted.append(found["id"])
        if method == "PATCH":
            self.updates.append(json.loads(body))
            if "description" in self.updates[-1]:
                written = self.updates[-1]["description"]
                found["description"] = written and {**written, "edited": True}
        return 200, found

    def _answer_question(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return 200, self.vision
        self.questions.append(json.loads(body))
        return 200, {"events": self.answer_events}

    def _take(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.uploads.append(body)
        names = [name.decode() for name in re.findall(rb'filename="([^"]+)"', body)]
        sent = re.search(rb'name="password"\r\n\r\n([^\r]*)', body)
        password = sent[1].decode() if sent else ""
        rejected, accepted = [], []
        for name in names:
            if name in self.refuses:
                rejected.append({"file_name": name, "error": problem(415, self.refuses[name])})
            elif self.locked.get(name, password) != password:
                code = "wrong_password" if password else "password_required"
                rejected.append({"file_name": name, "error": problem(422, "encrypted", code)})
            elif name.endswith(".pdf"):
                self.images += document(str(uuid5(NAMESPACE_URL, name)), name, 3)
                accepted.append({**self.images[-4], "duplicate": False})
            else:
                self.images.append(record(f"id-of-{name}", name))
                accepted.append({**self.images[-1], "duplicate": False})
        if not accepted:
            return 422, {**problem(422, "none was accepted"), "rejected": rejected}
        return 202, {"images": accepted, "rejected": rejected, "job_id": "j"}

    def _job(self, job_id: str) -> dict[str, Any]:
        failures = [
            {"image_id": image["id"], "file_name": image["file_name"], "reason": reason}
            for image in self.images
            if (reason := self.fails.get(image["file_name"]))
        ]
        counted = [image for image in self.images if image.get("kind") != "document"]
        return {
            "job_id": job_id,
            "total": len(counted),
            "stored": 0,
            "indexed": len(counted) - len(failures),
            "failed": len(failures),
            "gone": 0,
            "done": True,
            "failures": failures,
        }

    def _page(self, asked: dict[str, Any]) -> dict[str, Any]:
        start, size = int(asked.get("cursor", 0)), asked["top_k"]
        found = [image for image in self.images if image.get("page", 1) == 1]
        answer = self._hits(
            [one for one in found if one.get("kind") != "document"][start : start + size]
        )
        if start + size < len(found):
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
                "matched": self.matched,
                "url": image["url"],
                "thumbnail_url": image["thumbnail_url"],
                "metadata": {
                    "file_name": image["file_name"],
                    "page": image.get("page"),
                    "pages": image.get("pages"),
                },
                "pages": self._other_pages(image),
            }
            for number, image in enumerate(images)
        ]
        return {"query": "q", "results": hits, "total": len(hits), "latency_ms": 1.0}

    def _other_pages(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"score": 0.1, **{key: other[key] for key in ("id", "page", "url", "thumbnail_url")}}
            for other in self.images
            if other.get("document_id") == page.get("document_id", "") and other != page
        ]


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
