"""`viewfinder ask`, against a gateway that answers with fixed events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from viewfinder.cli.__main__ import make_app

IMAGE_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
SOURCE = {
    "number": 1,
    "id": IMAGE_ID,
    "file_name": "report[1].pdf",
    "page": 7,
    "url": f"/images/{IMAGE_ID}/content",
    "thumbnail_url": "/t",
    "score": 0.3,
    "relevance": 0.84,
}
DISABLED = {
    "type": "x",
    "title": "No vision model is set up",
    "status": 409,
    "detail": "x",
    "code": "llm_disabled",
    "fields": {"what": "POST /answer"},
}


@dataclass
class Gateway:
    """`problem` in place of an answer; `says` in pieces."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    says: list[str] = field(default_factory=lambda: ["It is [bold]red", "\nand round."])
    problem: dict[str, Any] | None = None
    status: dict[str, Any] = field(
        default_factory=lambda: {"enabled": True, "ready": True, "model": "m", "server": "s"}
    )
    url: str = ""

    def answer(self, method: str, body: bytes) -> tuple[int, str, bytes]:
        if method == "GET":
            return 200, "application/json", json.dumps(self.status).encode()
        self.asked.append(json.loads(body))
        if self.problem is not None:
            return self.problem["status"], "application/json", json.dumps(self.problem).encode()
        done = {
            "question": self.asked[-1]["question"],
            "answer": "".join(self.says),
            "found": True,
            "sources": [SOURCE],
            "used": [IMAGE_ID],
            "cited": [],
            "model": "m",
            "timings": {},
        }
        if not self.asked[-1].get("stream"):
            return 200, "application/json", json.dumps(done).encode()
        events = [("sources", {"sources": [SOURCE], "model": "m"})]
        events += [("token", {"text": text}) for text in self.says]
        events.append(("done", done))
        stream = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
        return 200, "text/event-stream", stream.encode()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    fake = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            status, media_type, content = fake.answer(self.command, self.rfile.read(size))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _do  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("VIEWFINDER_API_URL", fake.url)
    monkeypatch.setenv("COLUMNS", "300")
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


def ask(*arguments: str, typed: str = "") -> tuple[int, str]:
    ran = CliRunner().invoke(make_app(), ["ask", *arguments], input=typed)
    return ran.exit_code, ran.output


def test_the_answer_is_shown_as_it_stands_and_the_pictures_are_named(gateway: Gateway) -> None:
    status, output = ask("What is it?", "--top-k", "2", "--filter", "tags=a", "--mode", "hybrid")
    assert status == 0
    assert "It is [bold]red\nand round." in output
    assert f"[1] report[1].pdf, page 7, 84 %  {IMAGE_ID}" in output
    (asked,) = gateway.asked
    assert asked["question"] == "What is it?"
    assert (asked["top_k"], asked["filters"], asked["mode"]) == (2, {"tags": "a"}, "hybrid")


def test_control_characters_of_an_answer_do_not_reach_the_terminal(gateway: Gateway) -> None:
    gateway.says = ["a\x1b[2Jb\x07"]
    _, output = ask("What?")
    assert "\x1b[2J" not in output
    assert "\x07" not in output


def test_a_picture_can_be_named(gateway: Gateway) -> None:
    ask("What?", "--image", IMAGE_ID)
    assert gateway.asked[0]["image_ids"] == [IMAGE_ID]


def test_a_chat_stays_with_its_pictures_and_remembers_what_was_said(gateway: Gateway) -> None:
    status, _ = ask("What is it?", "--chat", typed="And its colour?\n/Another one?\n\n")
    assert status == 0
    first, second, third = gateway.asked
    assert "messages" not in first
    assert second["question"] == "And its colour?"
    assert second["image_ids"] == [IMAGE_ID]
    assert [one["role"] for one in second["messages"]] == ["user", "assistant"]
    assert second["search"] is False
    assert (third["question"], third["search"]) == ("Another one?", True)
    assert len(third["messages"]) == 4


def test_json_is_the_whole_answer(gateway: Gateway) -> None:
    _, output = ask("What is it?", "--json")
    assert json.loads(output)["used"] == [IMAGE_ID]


def test_without_a_model_it_says_which_variables_to_set(gateway: Gateway) -> None:
    gateway.problem = DISABLED
    status, output = ask("What?")
    assert status == 1
    assert "LLM_ENABLED" in output


def test_a_check_says_what_is_missing(gateway: Gateway) -> None:
    assert ask("--check") == (0, "m of s is ready.\n")
    gateway.status = {"enabled": True, "ready": False, "detail": "run `ollama pull m`"}
    status, output = ask("--check")
    assert status == 1
    assert "ollama pull m" in output


def test_a_question_is_needed(gateway: Gateway) -> None:
    assert ask()[0] == 2
    assert ask("What?", "--filter", "nonsense")[0] == 2
