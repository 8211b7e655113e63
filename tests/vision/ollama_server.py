"""Ollama's own protocol: /api/chat, /api/tags, /api/show, /api/version; NDJSON streams."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.vision import looking
from tests.vision.model_server import Handler, ModelServer, Received, serve

_NOW = "2026-11-21T00:00:00Z"
_ENDED = {
    "total_duration": 5_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 100,
    "prompt_eval_duration": 1_000_000,
    "eval_count": 6,
    "eval_duration": 1_000_000,
}


class OllamaHandler(Handler):
    def answer(self, received: Received) -> None:
        if received.path == "/api/version":
            self.send_json(200, {"version": "0.12.3"})
        elif received.path == "/api/tags":
            self.send_json(200, {"models": [_listed(name) for name in self.model.models]})
        elif received.path == "/api/show":
            self._show(received.body)
        elif received.path == "/api/chat":
            self._chat(received)
        else:
            self._send(404, "text/plain", b"404 page not found")

    def send_error_answer(self, status: int, error: str) -> None:
        self.send_json(status, {"error": error})

    def error_inside(self) -> bytes:
        return json.dumps({"error": self.model.error}).encode() + b"\n"

    def _is_missing(self, body: dict[str, Any]) -> bool:
        if body.get("model") in self.model.models:
            return False
        self.send_json(404, {"error": f"model '{body.get('model')}' not found"})
        return True

    def _show(self, body: dict[str, Any]) -> None:
        if not self._is_missing(body):
            capabilities = ["completion", "vision"] if self.model.sees else ["completion"]
            self.send_json(
                200, {"capabilities": capabilities, "details": {"family": "x"}, "model_info": {}}
            )

    def _chat(self, received: Received) -> None:
        body = received.body
        if self._is_missing(body):
            return
        pictures = [one for message in body["messages"] for one in message.get("images") or ()]
        if pictures and not self.model.sees:
            self.send_json(400, {"error": "this model does not support images"})
            return
        # As Go decodes it: standard alphabet, padded, no prefix.
        received.seen += [looking.look(base64.b64decode(one, validate=True)) for one in pictures]
        if self.refuses(received.seen):
            return
        question = "\n".join(one["content"] for one in body["messages"] if one["role"] == "user")
        shape = body.get("format")
        name = "" if not shape else ("ranking" if "ranking" in shape["properties"] else "other")
        tries = 1 + sum(one["role"] == "assistant" for one in body["messages"])
        pieces = self.model.pieces(question, received.seen, name, tries)
        if body.get("stream"):
            end = {**_said(body, "", done=True), "done_reason": "stop", **_ENDED}
            self.send_stream(
                "application/x-ndjson", (_line(_said(body, one)) for one in pieces), [_line(end)]
            )
            return
        self._pause(self.model.before_first_s)
        self.send_json(200, {**_said(body, "".join(pieces), done=True), **_ENDED})


def _said(body: dict[str, Any], text: str, done: bool = False) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": body["model"], "created_at": _NOW, "message": message, "done": done}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _listed(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": _NOW,
        "size": 1,
        "digest": "ab" * 32,
        "details": {"family": "x", "families": ["x", "clip"]},
    }


@contextmanager
def ollama_server() -> Iterator[ModelServer]:
    with serve(ModelServer("ollama"), OllamaHandler) as server:
        yield server
