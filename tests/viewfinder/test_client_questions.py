"""The client's questions: what is sent, and what a stream becomes."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from viewfinder.api_answers import AnswerResponse, AnswerSources, AnswerTimings, AnswerToken
from viewfinder.client import Client
from viewfinder.errors import ServiceUnavailable, VisionModelDisabled, VisionModelFailed

IMAGE_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

SOURCES = AnswerSources(sources=[], model="m")
DONE = AnswerResponse(
    question="What?",
    answer="A\nb",
    found=True,
    sources=[],
    used=[IMAGE_ID],
    model="m",
    timings=AnswerTimings(),
)


def sse(*events: tuple[str, str]) -> bytes:
    body = "".join(f"event: {name}\r\ndata: {data}\r\n\r\n" for name, data in events)
    return f": ping\r\n\r\n{body}".encode()


def problem(code: str, status: int, fields: dict[str, str]) -> str:
    return json.dumps(
        {"type": "x", "title": "x", "status": status, "detail": "x", "code": code, "fields": fields}
    )


STREAM = [
    ("sources", SOURCES.model_dump_json()),
    ("token", '{"text":"A\\n"}'),
    ("token", '{"text":"b"}'),
    ("done", DONE.model_dump_json()),
]


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://127.0.0.1:1", transport=httpx.MockTransport(answer))


def streaming(body: bytes) -> Client:
    headers = {"content-type": "text/event-stream"}
    return client(lambda _: httpx.Response(200, content=body, headers=headers))


def test_a_stream_is_read_as_sources_words_and_the_whole() -> None:
    events = list(streaming(sse(*STREAM)).ask_stream("What?"))
    assert events == [SOURCES, AnswerToken(text="A\n"), AnswerToken(text="b"), DONE]


def test_what_is_asked_is_sent() -> None:
    asked: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, content=DONE.model_dump_json())

    messages = [{"role": "user", "content": "?"}]
    whole = client(answer).ask(
        "What?", top_k=3, image_ids=[IMAGE_ID], messages=messages, filters={"tags": "a"}
    )
    assert whole == DONE
    assert asked == [
        {
            "question": "What?",
            "top_k": 3,
            "image_ids": [IMAGE_ID],
            "messages": messages,
            "filters": {"tags": "a"},
        }
    ]


def test_an_error_before_the_stream_is_raised() -> None:
    body = problem("llm_disabled", 409, {"what": "POST /answer"})
    with pytest.raises(VisionModelDisabled, match="LLM_ENABLED"):
        list(client(lambda _: httpx.Response(409, content=body)).ask_stream("?"))


def test_an_error_in_the_stream_is_raised_after_the_words_before_it() -> None:
    fields = {"model": "m", "server": "s", "reason": "it broke off"}
    events = streaming(sse(*STREAM[:2], ("error", problem("llm_failed", 502, fields))))
    answer = events.ask_stream("?")
    assert [type(next(answer)) for _ in range(2)] == [AnswerSources, AnswerToken]
    with pytest.raises(VisionModelFailed, match="it broke off"):
        next(answer)


def test_a_stream_that_just_ends_is_no_answer() -> None:
    with pytest.raises(ServiceUnavailable, match="broke off"):
        list(streaming(sse(*STREAM[:3])).ask_stream("?"))
