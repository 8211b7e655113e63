"""Reading what the gateway answered: models, problems made into errors again, event streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from viewfinder import api_models as api
from viewfinder.errors import (
    InternalError,
    ServiceUnavailable,
    Unauthorized,
    ViewfinderError,
    rebuild,
)

Answer = TypeVar("Answer", bound=BaseModel)

_UNAUTHORIZED = 401


@dataclass(frozen=True)
class Content:
    """The bytes of an original or of a rendition."""

    media_type: str
    data: bytes
    etag: str


def read_content(response: httpx.Response) -> Content:
    """The bytes that were asked for. Raises the error behind a problem."""
    raise_problem(response)
    return Content(
        media_type=response.headers.get("content-type", ""),
        data=response.content,
        etag=response.headers.get("etag", "").strip('"'),
    )


def error_of(problem: api.Problem) -> ViewfinderError:
    """The error of viewfinder/errors.py that this problem was made from."""
    again = rebuild(problem.code, json.dumps(problem.fields))
    if again is not None:
        return again
    if problem.status == _UNAUTHORIZED:
        return Unauthorized()
    if problem.code == "not_viewfinder":
        return ServiceUnavailable(service="the gateway", reason=problem.detail)
    return InternalError(request_id=problem.request_id)


def problem_of(response: httpx.Response) -> api.Problem | None:
    """The problem that this response is, or None when it is none."""
    if response.is_success:
        return None
    try:
        return api.Problem.model_validate_json(response.content)
    except ValidationError:
        return api.Problem(
            type="about:blank",
            title="Not an answer of Viewfinder",
            status=response.status_code,
            detail=f"{response.url} answered with status {response.status_code},"
            " but not as Viewfinder does; is it another program, or a proxy?",
            code="not_viewfinder",
        )


def raise_problem(response: httpx.Response) -> None:
    """Raise the error behind a response that is a problem."""
    problem = problem_of(response)
    if problem is not None:
        raise error_of(problem)


def read_answer(response: httpx.Response, answer: type[Answer]) -> Answer:
    """The body as this model.

    Raises:
        ServiceUnavailable: it is something else; whatever answers there is no Viewfinder.
    """
    try:
        return answer.model_validate_json(response.content)
    except ValidationError as error:
        raise ServiceUnavailable(
            service=f"the gateway at {response.url.copy_with(path='/')}",
            reason=f"its answer is not one of Viewfinder's ({error.error_count()} differences);"
            " is it another program, or another version?",
        ) from error


def server_sent_events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """(event, data) of a stream after the HTML standard, section 9.2; comments are left out."""
    event, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []
        elif line.startswith("event:"):
            event = line.removeprefix("event:").lstrip()
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
