"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, Response
from redis import Redis
from redis.exceptions import RedisError

from gateway import metrics
from gateway.answers import answer
from gateway.parts import Parts, PartsDep
from gateway.services import QUICK_S
from viewfinder import api_models as api
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2, common_pb2, embedding_pb2, search_pb2

_QUICK_CHECK_S = 2.0

router = APIRouter(tags=["status"])


@router.get("/health", summary="Whether it lives", response_model=api.Health)
async def health(parts: PartsDep) -> Response:
    """200 as long as the gateway answers; `degraded` says that it reaches not all it needs."""
    encoder, index, queue = await asyncio.gather(
        _encoder(parts), _index(parts), asyncio.to_thread(_queue_problem, parts.queue)
    )
    is_well = encoder is not None and index is not None and not queue
    return answer(
        api.Health(
            status="ok" if is_well else "degraded",
            encoder_loaded=encoder is not None,
            index_connected=index is not None,
            redis_connected=not queue,
            device=encoder.device if encoder is not None else "",
            encoder=_info(encoder.spec) if encoder is not None else None,
            version=version("viewfinder"),
        )
    )


@router.get(
    "/ready",
    summary="Whether every part is ready",
    response_model=api.Ready,
    responses={503: {"model": api.Ready, "description": "Not every part is ready"}},
)
async def ready(parts: PartsDep) -> Response:
    """Asks every service, and the queue."""
    services, queue = await asyncio.gather(
        parts.services.check(), asyncio.to_thread(_queue_problem, parts.queue)
    )
    problems = {**services, "queue": queue}
    states = {
        name: api.PartStatus(ready=not problem, detail=problem)
        for name, problem in problems.items()
    }
    is_ready = not any(problems.values())
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    return answer(api.Ready(ready=is_ready, parts=states), status)


@router.get("/stats", summary="Latencies and sizes", response_model=api.Stats)
async def stats(parts: PartsDep) -> Response:
    """Percentiles of the last 10,000 searches, the collection and the catalogue."""
    collection, catalogue = await asyncio.gather(
        parts.services.search.GetCollection(search_pb2.GetCollectionRequest(), timeout=QUICK_S),
        parts.services.catalog.GetCatalogStats(
            catalog_pb2.GetCatalogStatsRequest(), timeout=QUICK_S
        ),
    )
    spec = collection.spec
    return answer(
        api.Stats(
            latency=api.Latencies(
                embedding=parts.latencies.embedding.stats(),
                search=parts.latencies.search.stats(),
                total=parts.latencies.total.stats(),
            ),
            collection=api.CollectionStats(
                name=collection.name,
                vectors_count=collection.vectors_count,
                status=collection.status,
                indexed=collection.indexed,
                encoder=_info(spec) if collection.HasField("spec") else None,
                recall=collection.recall if collection.HasField("recall") else None,
                recall_samples=collection.recall_samples,
            ),
            catalogue=api.CatalogueStats(
                total=catalogue.total,
                by_state=dict(catalogue.by_state),
                size_bytes=catalogue.size_bytes,
                documents=catalogue.documents,
                pages=catalogue.pages,
                to_read=catalogue.to_read,
            ),
        )
    )


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def get_metrics(parts: PartsDep) -> Response:
    """The gateway's own and the index's recall, in Prometheus' text format."""
    collection = await _index(parts)
    if collection is not None:
        parts.metrics.vectors.set(collection.vectors_count)
        parts.metrics.recall_samples.set(collection.recall_samples)
        if collection.HasField("recall"):
            parts.metrics.recall.set(collection.recall)
    return Response(parts.metrics.text(), media_type=metrics.CONTENT_TYPE)


def _info(spec: common_pb2.EncoderSpec) -> api.EncoderInfo:
    return api.EncoderInfo(name=spec.name, revision=spec.revision, dim=spec.dim)


async def _encoder(parts: Parts) -> embedding_pb2.GetSpecResponse | None:
    try:
        return await parts.services.embedding.GetSpec(
            embedding_pb2.GetSpecRequest(), timeout=_QUICK_CHECK_S
        )
    except ViewfinderError:
        return None


async def _index(parts: Parts) -> search_pb2.Collection | None:
    try:
        return await parts.services.search.GetCollection(
            search_pb2.GetCollectionRequest(), timeout=_QUICK_CHECK_S
        )
    except ViewfinderError:
        return None


def _queue_problem(queue: Redis) -> str:
    try:
        queue.ping()
    except RedisError as error:
        return f"it does not answer: {error}"
    return ""
