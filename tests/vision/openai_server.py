"""The OpenAI protocol: /v1/chat/completions, /v1/models; server-sent events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.vision import looking
from tests.vision.model_server import Handler, ModelServer, Received, serve

_PREFIX = "data:image/jpeg;base64,"
_NOT_KNOWN = {
    "json_schema": "'response_format.type' must be one of text, json_object",
    "json_object": "response_format json_object is not supported",
    "max_tokens": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.2 with this model.",
}


class OpenAiHandler(Handler):
    def answer(self, received: Received) -> None:
        key = self.model.api_key
        if key and received.headers.get("authorization") != f"Bearer {key}":
            self.send_error_answer(401, "Incorrect API key provided")
        elif received.path == "/v1/models":
            listed = [
                {"id": name, "object": "model", "created": 1, "owned_by": "x"}
                for name in self.model.models
            ]
            self.send_json(200, {"object": "list", "data": listed})
        elif received.path == "/v1/chat/completions":
            self._chat(received)
        else:
            self._send(404, "application/json", b'{"detail":"Not Found"}')

    def send_error_answer(self, status: int, error: str) -> None:
        problem = {"message": error, "type": "invalid_request_error", "param": None, "code": None}
        self.send_json(status, {"error": problem})

    def error_inside(self) -> bytes:
        return _event({"error": {"message": self.model.error, "type": "server_error"}})

    def _refused(self, body: dict[str, Any]) -> bool:
        asked = {"max_tokens", "temperature"} & set(body)
        asked.add(body.get("response_format", {}).get("type", "max_completion_tokens"))
        for name, said in _NOT_KNOWN.items():
            if name in asked and name not in self.model.knows:
                self.send_error_answer(400, said)
                return True
        return False

    def _chat(self, received: Received) -> None:
        body = received.body
        if body["model"] not in self.model.models:
            self.send_error_answer(404, f"The model `{body['model']}` does not exist")
            return
        if self._refused(body):
            return
        question, wanted = "", body.get("response_format", {})
        for message in body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                question += content if message["role"] == "user" else ""
                continue
            for part in content:
                if part["type"] == "text":
                    question += part["text"]
                    continue
                address = part["image_url"]["url"]
                assert address.startswith(_PREFIX), address[:60]
                data = base64.b64decode(address.removeprefix(_PREFIX), validate=True)
                received.seen.append(looking.look(data))
        if self.refuses(received.seen):
            return
        name = wanted.get("json_schema", {}).get("name", "")
        if not name and "JSON object of this schema" in body["messages"][0]["content"]:
            name = "ranking" if '"ranking"' in body["messages"][0]["content"] else "description"
        tries = 1 + sum(one["role"] == "assistant" for one in body["messages"])
        pieces = self.model.pieces(question, received.seen, name, tries)
        if body.get("stream"):
            first = _event(_part(body, {"role": "assistant", "content": ""}))
            said = [_event(_part(body, {"content": one})) for one in pieces]
            end = [_event(_part(body, {}, "stop")), b"data: [DONE]\n\n"]
            self.send_stream("text/event-stream", [first, *said], end)
            return
        self._pause(self.model.before_first_s)
        message = {"role": "assistant", "content": "".join(pieces)}
        whole = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        self.send_json(
            200,
            {**_head(body, "chat.completion"), "choices": [whole], "usage": usage},
        )


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"]}


def _part(body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_head(body, "chat.completion.chunk"), "choices": [choice]}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


@contextmanager
def openai_server() -> Iterator[ModelServer]:
    with serve(ModelServer("openai"), OpenAiHandler) as server:
        yield server
