"""Answers straight from a model: checked when it was made, so not checked again."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Response
from pydantic import BaseModel


def answer(model: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The model as JSON."""
    return Response(
        model.model_dump_json(),
        status_code=status,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )
