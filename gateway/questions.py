"""POST /answer: find pictures, have a vision model look at them, and pass on what it says."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
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
from gateway.search import find_by_text
from gateway.search_options import search_request, searchable
from gateway.shown_pictures import known_images, show
from viewfinder import api_answers as api
from viewfinder.api_query import MAX_QUERY_CHARS
from viewfinder.errors import ImageNotFound, ViewfinderError
from viewfinder.v1 import catalog_pb2, search_pb2
from viewfinder.vision.model import VisionModel
from viewfinder.vision.pictures import Turn

HEARTBEAT_S = 10

_MS = 1000.0
_LONGEST_ANSWER = 32_000  # characters; far more than a model is asked for
_CITED = re.compile(r"\[(\d{1,2})\]")
_NOTHING = (
    "Nothing relevant was found among the pictures. Try other words, or say with image_ids which"
    " pictures are meant."
)
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
    clock = _Clock()
    vision = parts.vision_model("POST /answer")
    looked_at = await _while_there(request, _find(parts, asked))
    clock.found()
    answering = _Answering(parts, vision, asked, looked_at, clock)
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


@dataclass(frozen=True)
class _LookedAt:
    """What the model is to see; hits where it was searched for."""

    record: catalog_pb2.ImageRecord
    hit: search_pb2.Hit | None = None


async def _find(parts: Parts, asked: api.AnswerRequest) -> list[_LookedAt]:
    if asked.image_ids and not asked.search:
        wanted = list(dict.fromkeys(str(image_id) for image_id in asked.image_ids))
        records = await known_images(parts, wanted)
        missing = set(wanted) - {record.id for record in records}
        if missing:
            raise ImageNotFound(image_id=min(missing))
        return [_LookedAt(record) for record in records]
    request = search_request(asked)
    request.text = searchable((asked.query or asked.question)[:MAX_QUERY_CHARS].strip())
    request.mode = asked.mode
    found = await find_by_text(parts, request)
    is_asked_for = "min_relevance" in asked.model_fields_set
    least = asked.min_relevance if is_asked_for else parts.settings.answer_min_relevance
    hits = {hit.id: hit for hit in found.hits if _is_relevant(hit, least)}
    records = await known_images(parts, list(hits)) if hits else []
    return [_LookedAt(record, hits[record.id]) for record in records]


def _is_relevant(hit: search_pb2.Hit, least: float) -> bool:
    """Relevance speaks of looks only: a picture whose words were found may be meant, too. Without
    a calibration nothing is known, and the model judges alone."""
    if not hit.HasField("relevance") or hit.matched or hit.HasField("late_score"):
        return True
    return hit.relevance >= least


class _Clock:
    """When what happened, of one request."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._asked = self._start
        self.timings = api.AnswerTimings()

    def _since(self, moment: float) -> float:
        return round((time.perf_counter() - moment) * _MS, 3)

    def found(self) -> None:
        self.timings.search_ms = self._since(self._start)

    def shown(self) -> None:
        self.timings.pictures_ms = round(self._since(self._start) - self.timings.search_ms, 3)
        self._asked = time.perf_counter()

    def piece(self) -> None:
        if self.timings.first_token_ms is None:
            self.timings.first_token_ms = self._since(self._start)

    def done(self, *, asked: bool) -> None:
        self.timings.model_ms = self._since(self._asked) if asked else 0.0
        self.timings.total_ms = self._since(self._start)


class _Answering:
    """One question on its way."""

    def __init__(
        self,
        parts: Parts,
        vision: VisionModel,
        asked: api.AnswerRequest,
        looked_at: Sequence[_LookedAt],
        clock: _Clock,
    ) -> None:
        self._parts = parts
        self._vision = vision
        self._asked = asked
        self._looked_at = looked_at
        self._clock = clock

    async def whole(self) -> api.AnswerResponse:
        """The answer when it is complete."""
        async with aclosing(self.run()) as events:
            async for event in events:
                if isinstance(event, api.AnswerResponse):
                    return event
        raise AssertionError("it ends with the answer")

    async def run(self) -> AsyncGenerator[BaseModel, None]:
        """AnswerSources, then AnswerToken ..., then AnswerResponse."""
        sources = [self._source(one, number) for number, one in enumerate(self._looked_at, 1)]
        yield self._sources(sources)
        if not sources:
            self._clock.piece()
            yield api.AnswerToken(text=_NOTHING)
            yield self._done(_NOTHING, [])
            return
        records = [one.record for one in self._looked_at]
        shown = await show(self._parts, records, self._parts.settings.llm_max_side)
        self._clock.shown()
        if None in shown:  # deleted since, or broken: the others move up
            left = [one for one, made in zip(self._looked_at, shown, strict=True) if made]
            sources = [self._source(one, number) for number, one in enumerate(left, 1)]
            yield self._sources(sources)
        pictures = [one for one in shown if one is not None]
        history = [Turn(one.role == "user", one.content) for one in self._asked.messages]
        said: list[str] = []
        length = 0
        async with aclosing(self._vision.answer(self._asked.question, pictures, history)) as pieces:
            async for text in pieces:
                self._clock.piece()
                said.append(text)
                length += len(text)
                yield api.AnswerToken(text=text)
                if length > _LONGEST_ANSWER:
                    break
        yield self._done("".join(said).strip(), sources)

    def _source(self, one: _LookedAt, number: int) -> api.AnswerSource:
        record, hit, urls = one.record, one.hit, self._parts.urls
        has_relevance = hit is not None and hit.HasField("relevance")
        return api.AnswerSource(
            number=number,
            id=record.id,
            file_name=record.file_name,
            page=record.page or None,
            document_id=record.document_id or None,
            url=urls.original(record.id),
            thumbnail_url=urls.thumbnail(record.id),
            score=round(hit.score, 6) if hit is not None else None,
            relevance=round(hit.relevance, 4) if hit is not None and has_relevance else None,
        )

    def _sources(self, sources: list[api.AnswerSource]) -> api.AnswerSources:
        return api.AnswerSources(sources=sources, model=self._vision.name)

    def _done(self, said: str, sources: list[api.AnswerSource]) -> api.AnswerResponse:
        self._clock.done(asked=bool(sources))
        named = {int(number) for number in _CITED.findall(said)}
        return api.AnswerResponse(
            question=self._asked.question,
            answer=said,
            found=bool(sources),
            sources=sources,
            used=[source.id for source in sources],
            cited=[source.id for source in sources if source.number in named],
            model=self._vision.name,
            timings=self._clock.timings,
        )


_NAMES: dict[type[BaseModel], str] = {
    api.AnswerSources: "sources",
    api.AnswerToken: "token",
    api.AnswerResponse: "done",
}


async def _events(answering: _Answering) -> AsyncIterator[ServerSentEvent]:
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
