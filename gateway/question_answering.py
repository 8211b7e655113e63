"""One question on its way: what the model is shown, what it says, and where the time goes."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import BaseModel

from gateway.parts import Parts
from gateway.shown_pictures import show
from viewfinder import api_answers as api
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2, search_pb2
from viewfinder.vision.model import VisionModel
from viewfinder.vision.pictures import ShownPicture, Turn

_MS = 1000.0
_LONGEST_ANSWER = 32_000  # characters; far more than a model is asked for
_CITED = re.compile(r"\[(\d{1,2})\]")
_NOTHING = (
    "Nothing relevant was found among the pictures. Try other words, or say with image_ids which"
    " pictures are meant."
)


@dataclass(frozen=True)
class LookedAt:
    """What the model is to see; hits where it was searched for."""

    record: catalog_pb2.ImageRecord
    hit: search_pb2.Hit | None = None


class Clock:
    """When what happened, of one request that begins now."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._asked = self._start
        self.timings = api.AnswerTimings()

    def _since(self, moment: float) -> float:
        return round((time.perf_counter() - moment) * _MS, 3)

    def found(self) -> None:
        """It is known what to look at."""
        self.timings.search_ms = self._since(self._start)

    def shown(self) -> None:
        """The pictures are here."""
        self.timings.pictures_ms = round(self._since(self._start) - self.timings.search_ms, 3)
        self._asked = time.perf_counter()

    def piece(self) -> float:
        """Milliseconds to the first piece, which is now."""
        self.timings.first_token_ms = self._since(self._start)
        return self.timings.first_token_ms

    def done(self, *, asked: bool) -> None:
        """That was the last word."""
        self.timings.model_ms = self._since(self._asked) if asked else 0.0
        self.timings.total_ms = self._since(self._start)


class Answering:
    """One question on its way."""

    def __init__(
        self,
        parts: Parts,
        vision: VisionModel,
        asked: api.AnswerRequest,
        looked_at: Sequence[LookedAt],
        clock: Clock,
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
        said: list[str] = []
        async with aclosing(self._listen(pictures)) as pieces:
            async for text in pieces:
                said.append(text)
                yield api.AnswerToken(text=text)
        yield self._done("".join(said).strip(), sources)

    async def _listen(self, pictures: Sequence[ShownPicture]) -> AsyncGenerator[str, None]:
        """The model's words, counted and timed."""
        history = [Turn(one.role == "user", one.content) for one in self._asked.messages]
        metrics = self._parts.metrics
        length = 0
        try:
            async with aclosing(
                self._vision.answer(self._asked.question, pictures, history)
            ) as pieces:
                async for text in pieces:
                    if length == 0:
                        metrics.first_token.observe(self._clock.piece() / _MS)
                    length += len(text)
                    yield text
                    if length > _LONGEST_ANSWER:
                        break
        except ViewfinderError as error:
            metrics.vision.labels("answer", error.code).inc()
            raise
        metrics.vision.labels("answer", "answered").inc()

    def _source(self, one: LookedAt, number: int) -> api.AnswerSource:
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
