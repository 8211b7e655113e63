"""The part of the client that asks questions about pictures; see viewfinder/client.py."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

import httpx

from viewfinder import api_answers as api
from viewfinder.api_models import Problem, SearchMode
from viewfinder.client_answers import error_of, raise_problem, server_sent_events
from viewfinder.client_connection import Connection
from viewfinder.client_search import SearchOptions, as_json
from viewfinder.errors import ServiceUnavailable

ANSWER_TIMEOUT_S = 300.0
"""Models take their time; the gateway's VIEWFINDER_LLM_TIMEOUT_S ends it before."""

_SILENCE_S = 45.0  # the gateway sends a heartbeat every 10 s on an event stream

AnswerEvent = api.AnswerSources | api.AnswerToken | api.AnswerResponse

_EVENTS: dict[str, type[AnswerEvent]] = {
    "sources": api.AnswerSources,
    "token": api.AnswerToken,
    "done": api.AnswerResponse,
}


class Message(TypedDict):
    """What was said before: `role` is "user" or "assistant"."""

    role: str
    content: str


class QuestionOptions(SearchOptions, total=False):
    """How the pictures are found that a question is about. What is left out is not asked for.

    `top_k`: so many of the best are looked at, 1 to 5. `query`: what to search for, if not the
    question. `image_ids`: look at these instead, `search`: search all the same. `messages`: the
    conversation so far.
    """

    query: str
    mode: SearchMode
    image_ids: Sequence[UUID | str]
    messages: Sequence[Message]
    search: bool


class Questions(Connection):
    """Asks a vision model about pictures."""

    def ask(self, question: str, **options: Unpack[QuestionOptions]) -> api.AnswerResponse:
        """The whole answer; `ask_stream` has it while it is being written.

        Raises:
            VisionModelDisabled: none is set up.
            VisionModelUnavailable, VisionModelMissing, VisionModelFailed: it cannot answer.
        """
        return self._call(
            "POST",
            "/answer",
            api.AnswerResponse,
            json=_body(question, options),
            timeout=ANSWER_TIMEOUT_S,
        )

    def ask_stream(
        self, question: str, **options: Unpack[QuestionOptions]
    ) -> Generator[AnswerEvent, None, None]:
        """AnswerSources first, then AnswerToken with each piece, AnswerResponse at the end.

        Closing the iterator has the model stop. Raises as `ask` does, also in the middle.
        """
        body = {**_body(question, options), "stream": True}
        timeout = httpx.Timeout(_SILENCE_S, connect=5.0)
        is_whole = False
        try:
            with self._http.stream("POST", "/answer", json=body, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise_problem(response)
                for event, data in server_sent_events(response.iter_lines()):
                    if event == "error":
                        raise error_of(Problem.model_validate_json(data))
                    if event in _EVENTS:
                        is_whole = event == "done"
                        yield _EVENTS[event].model_validate_json(data)
        except httpx.TransportError as error:
            raise self._away(error) from error
        if not is_whole:
            raise ServiceUnavailable(
                service=f"the gateway at {self.base_url}", reason="its answer broke off"
            )

    def vision_status(self) -> api.VisionStatus:
        """Whether questions can be answered, and what is missing if not."""
        return self._call("GET", "/answer", api.VisionStatus)


def _body(question: str, options: QuestionOptions) -> dict[str, Any]:
    body = {"question": question, **as_json(options)}
    if "image_ids" in body:
        body["image_ids"] = [str(image_id) for image_id in body["image_ids"]]
    return body
