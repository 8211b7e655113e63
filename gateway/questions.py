"""POST /answer: find pictures, have a vision model look at them, and pass on what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.requests import ClientDisconnect

from gateway import examples
from gateway.answers import answer
from gateway.parts import Parts, PartsDep
from gateway.problem import problem_of
from gateway.question_answering import Answering, Clock, LookedAt
from gateway.search import find_by_text
from gateway.search_options import search_request, searchable
from gateway.shown_pictures import known_images
from viewfinder import api_answers as api
from viewfinder.api_query import MAX_QUERY_CHARS
from viewfinder.errors import ImageNotFound, ViewfinderError
from viewfinder.v1 import search_pb2

HEARTBEAT_S = 10

_CANDIDATES = 10  # of which the best relevant ones are shown: the first of all may be none

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": api.AnswerResponse,
        "description": "The whole answer; with `stream` events `sources`, `token` ..., `done`, or"
        " `error` with a problem when it fails on the way",
    }
}

T = TypeVar("T")

router = APIRouter(tags=["answers"])


@router.post(
    "/answer",
    summary="Ask a question about pictures",
    response_model=api.AnswerResponse,
    responses={**_EVENTS, **examples.problems(404, 409, 422, 429, 502, 503, 504)},
)
async def ask(
    asked: Annotated[api.AnswerRequest, Body(openapi_examples=examples.ANSWER)],
    request: Request,
    parts: PartsDep,
) -> Response:
    """A vision model answers from the pictures that fit best, or from those named in `image_ids`.

    It is told nothing else; where nothing relevant is found, that is the answer."""
    clock = Clock()
    vision = parts.vision_model("POST /answer")
    looked_at = await _while_there(request, _find(parts, asked))
    clock.found()
    answering = Answering(parts, vision, asked, looked_at, clock)
    if asked.stream:
        return EventSourceResponse(
            _events(answering), ping=HEARTBEAT_S, headers={"Cache-Control": "no-store"}
        )
    return answer(await _while_there(request, answering.whole()))


@router.get("/answer", summary="Whether questions can be answered", response_model=api.VisionStatus)
async def status(parts: PartsDep) -> Response:
    """Which vision model there is, and what is missing if it cannot answer."""
    if parts.vision is None:
        return answer(api.VisionStatus(enabled=False, ready=False, detail=parts.no_vision_model()))
    state = await parts.vision.check()
    return answer(
        api.VisionStatus(
            enabled=True,
            ready=state.reachable and state.present is not False and state.sees is not False,
            model=parts.vision.name,
            server=parts.vision.server,
            detail=state.detail,
        )
    )


async def _find(parts: Parts, asked: api.AnswerRequest) -> list[LookedAt]:
    if asked.image_ids and not asked.search:
        wanted = list(dict.fromkeys(str(image_id) for image_id in asked.image_ids))
        records = await known_images(parts, wanted)
        missing = set(wanted) - {record.id for record in records}
        if missing:
            raise ImageNotFound(image_id=min(missing))
        return [LookedAt(record) for record in records]
    request = search_request(asked)
    request.top_k = max(asked.top_k, _CANDIDATES)
    request.text = searchable((asked.query or asked.question)[:MAX_QUERY_CHARS].strip())
    request.mode = asked.mode
    found = await find_by_text(parts, request)
    is_asked_for = "min_relevance" in asked.model_fields_set
    least = asked.min_relevance if is_asked_for else parts.settings.answer_min_relevance
    relevant = [hit for hit in found.hits if _is_relevant(hit, least)]
    hits = {hit.id: hit for hit in relevant[: asked.top_k]}
    records = await known_images(parts, list(hits)) if hits else []
    return [LookedAt(record, hits[record.id]) for record in records]


def _is_relevant(hit: search_pb2.Hit, least: float) -> bool:
    """By its words, its look, or the rows of a page. Without a calibration nothing is known of the
    last two, and the model judges alone."""
    if hit.words_fit:
        return True
    known = []
    if hit.HasField("relevance"):
        known.append(hit.relevance)
    if hit.HasField("late_relevance"):
        known.append(hit.late_relevance)
    return max(known) >= least if known else True


_NAMES: dict[type[BaseModel], str] = {
    api.AnswerSources: "sources",
    api.AnswerToken: "token",
    api.AnswerResponse: "done",
}


async def _events(answering: Answering) -> AsyncIterator[ServerSentEvent]:
    try:
        async with aclosing(answering.run()) as events:
            async for event in events:
                yield ServerSentEvent(event.model_dump_json(), event=_NAMES[type(event)])
    except ViewfinderError as error:
        problem = problem_of(error).model_dump_json(exclude_none=True)
        yield ServerSentEvent(problem, event="error")


async def _while_there(request: Request, work: Any) -> Any:
    """The result of `work`, which is cancelled when the client leaves.

    Raises:
        ClientDisconnect: it has left.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
