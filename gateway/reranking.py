"""What a vision model adds to a search when it is asked to: another order, and an explanation."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from gateway.parts import Parts
from gateway.shown_pictures import known_images, show
from viewfinder import api_models as api
from viewfinder.errors import ViewfinderError
from viewfinder.vision.model import MOST_EXPLAINED, VisionModel
from viewfinder.vision.pictures import ShownPicture

log = structlog.get_logger()


async def rerank(
    parts: Parts, vision: VisionModel, asked: api.SearchRequest, answer: api.SearchResponse
) -> None:
    """Put the best of the first MAX_RERANKED results first, in the model's order, the others after
    them as they were. On any fault `answer` stays as it is, and says why."""
    start = time.perf_counter()
    outcome = api.Reranking(applied=False, model=vision.name)
    answer.rerank = outcome
    first = answer.results[: api.MAX_RERANKED]
    if asked.cursor is not None:
        outcome.why = "only the first page is looked at"
    elif len(first) < 2:
        outcome.why = "there is nothing to put in order"
    else:
        try:
            hits, pictures = await _pictures(parts, first)
            outcome.looked_at = len(hits)
            best = await vision.rank(asked.query, pictures, min(asked.rerank_keep, len(hits)))
        except ViewfinderError as error:
            log.warning("not reranked", reason=error.message)
            parts.metrics.vision.labels("rerank", error.code).inc()
            outcome.why = error.message
        else:
            for ranked in best:
                hits[ranked.index].reason = ranked.reason or None
            chosen = [hits[ranked.index] for ranked in best]
            ids = {hit.id for hit in chosen}
            answer.results = [*chosen, *(hit for hit in answer.results if hit.id not in ids)]
            outcome.applied = True
            parts.metrics.vision.labels("rerank", "answered").inc()
    outcome.took_ms = round((time.perf_counter() - start) * 1000, 3)


async def explain(
    parts: Parts, vision: VisionModel, asked: api.SearchRequest, answer: api.SearchResponse
) -> None:
    """Say why the first results were found; on any fault say why there is no explanation."""
    if not answer.results:
        answer.explanation_error = "nothing was found"
        return
    try:
        _, pictures = await _pictures(parts, answer.results[:MOST_EXPLAINED])
        pieces = [piece async for piece in vision.explain(asked.query, pictures)]
    except ViewfinderError as error:
        log.warning("not explained", reason=error.message)
        parts.metrics.vision.labels("explain", error.code).inc()
        answer.explanation_error = error.message
    else:
        answer.explanation = "".join(pieces).strip()
        parts.metrics.vision.labels("explain", "answered").inc()


async def _pictures(
    parts: Parts, hits: Sequence[api.SearchHit]
) -> tuple[list[api.SearchHit], list[ShownPicture]]:
    """Those that can be had: hits, and what a model sees of them. Half the usual size, for there
    are many."""
    by_id = {hit.id: hit for hit in hits}
    records = await known_images(parts, list(by_id))
    shown = await show(parts, records, parts.settings.llm_max_side // 2)
    there = [
        (by_id[record.id], picture)
        for record, picture in zip(records, shown, strict=True)
        if picture is not None
    ]
    return [hit for hit, _ in there], [picture for _, picture in there]
