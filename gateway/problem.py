"""Errors as RFC 9457 problems: one place that turns whatever went wrong into an answer."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from viewfinder.api_models import FieldError, Problem, RejectedFile
from viewfinder.errors import (
    InvalidRequest,
    Overloaded,
    RangeNotSatisfiable,
    ServiceUnavailable,
    ViewfinderError,
)
from viewfinder.telemetry import current_request_id

MEDIA_TYPE = "application/problem+json"
RETRY_UNAVAILABLE_S = 2

_LONGEST_SHOWN_VALUE = 200
_LONGEST_LIST = 20
_FILTER_RULE = (
    "a text, number or boolean, a list of them, or an object of gte, gt, lte, lt, any, exists, not,"
    " or a place"
)
_SOURCES = {"body", "query", "path", "header"}


class UploadRefusedError(Exception):
    """None of the files of an upload was accepted."""

    def __init__(self, first: ViewfinderError, rejected: list[RejectedFile]) -> None:
        super().__init__(first.message)
        self.first = first
        self.rejected = rejected


def problem_of(error: ViewfinderError) -> Problem:
    """The problem that says this error."""
    return Problem(
        type=f"urn:viewfinder:problem:{error.code}",
        title=error.title,
        status=error.http_status,
        detail=error.message,
        code=error.code,
        request_id=current_request_id(),
        fields=error.field_values(),
    )


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The answer that carries a problem."""
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def error_response(error: ViewfinderError) -> Response:
    """The answer to a request that failed with this error."""
    return problem_response(problem_of(error), _headers_for(error))


def _headers_for(error: ViewfinderError) -> dict[str, str]:
    if isinstance(error, Overloaded):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, ServiceUnavailable):
        return {"Retry-After": str(RETRY_UNAVAILABLE_S)}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size_bytes}"}
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def validation_problem(errors: Sequence[Any]) -> Problem:
    """One problem for all values that are not allowed; `fields` are those of the first."""
    seen: dict[str, FieldError] = {}
    values: dict[str, object] = {}
    for error in errors:
        field = _field_of(error["loc"])
        is_filter = field.startswith("filters.")
        message = _FILTER_RULE if is_filter else str(error["msg"]).removeprefix("Value error, ")
        if is_filter:
            field = ".".join(field.split(".")[:2])
        if field not in seen:
            seen[field] = FieldError(field=field, message=message)
            values[field] = "(a secret)" if "password" in field else error.get("input")
    first = next(iter(seen.values()))
    problem = problem_of(
        InvalidRequest(field=first.field, value=shown(values[first.field]), allowed=first.message)
    )
    problem.errors = list(seen.values())[:_LONGEST_LIST]
    return problem


def _field_of(location: Sequence[Any]) -> str:
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in _SOURCES:
        parts = parts[1:]
    return ".".join(parts)


def shown(value: object) -> str:
    """A value for people, never longer than a line."""
    text = repr(value)
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= _LONGEST_SHOWN_VALUE:
        return text
    return f"{text[:_LONGEST_SHOWN_VALUE]}... ({len(text)} characters)"


def install(app: FastAPI) -> None:
    """Have this application answer every foreseen error with a problem.

    What nobody foresaw is answered by gateway/request_context.py.
    """
    # The kinds that handlers get are fixed by the class they are registered for.
    app.add_exception_handler(ViewfinderError, _on_viewfinder_error)
    app.add_exception_handler(UploadRefusedError, _on_upload_refused)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_viewfinder_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ViewfinderError)
    return error_response(error)


async def _on_upload_refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UploadRefusedError)
    problem = problem_of(error.first)
    problem.rejected = error.rejected
    return problem_response(problem, _headers_for(error.first))


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return problem_response(validation_problem(error.errors()))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ViewfinderError):  # FastAPI wraps what reading a body raises
        return error_response(error.__cause__)
    status = HTTPStatus(error.status_code)
    path = request.url.path
    if status is HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}; /docs lists what there is"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "see /docs")
        detail = f"{path} does not know {request.method}; allowed: {allowed}"
    else:
        detail = str(error.detail)
    problem = Problem(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=detail,
        code=status.name.lower(),
        request_id=current_request_id(),
    )
    return problem_response(problem, dict(error.headers or {}))
