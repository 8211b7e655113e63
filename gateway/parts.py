"""What the routes share, made once when the gateway starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import Depends, Request
from redis import Redis

from gateway.answering import Answering
from gateway.latency import SearchLatencies
from gateway.metrics import Metrics
from gateway.query_picture import QueryPictures
from gateway.result_cache import ResultCache
from gateway.search_gate import AdaptiveLimit, SearchGate
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.single_flight import SingleFlight
from gateway.urls import Urls
from viewfinder.errors import ViewfinderError, VisionModelDisabled
from viewfinder.pixels import PixelLimits, PixelPool
from viewfinder.queue import connect
from viewfinder.redis_run import RedisRuns
from viewfinder.vision.model import VisionModel
from viewfinder.vision.opening import open_vision_model

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """Everything a route may need."""

    settings: GatewaySettings
    services: Services
    urls: Urls
    metrics: Metrics
    query_pictures: QueryPictures
    queue: Redis
    answering: Answering
    latencies: SearchLatencies
    vision: VisionModel | None = None

    def vision_model(self, what: str) -> VisionModel:
        """The one that the settings name, for `what`.

        Raises:
            VisionModelDisabled: there is none.
        """
        if self.vision is None:
            raise VisionModelDisabled(what=what)
        return self.vision

    def no_vision_model(self) -> str:
        """What to set up when there is none."""
        return VisionModelDisabled(what="Asking").message


@asynccontextmanager
async def open_parts(
    settings: GatewaySettings, urls: Urls, metrics: Metrics
) -> AsyncIterator[Parts]:
    """Channels, decoders and queue client, closed at the end."""
    services = Services.open(settings)
    queue = connect(settings)
    latencies = SearchLatencies()
    answering = _answering(settings, urls, metrics, latencies)
    vision = open_vision_model(settings)
    limits = PixelLimits(max_pixels=settings.max_pixels)
    try:
        with PixelPool(settings.gateway_pixel_processes, limits) as pool:
            pictures = QueryPictures(
                services.search, services.embedding, pool, settings.query_pictures
            )
            # In the background: the first search by picture should not wait for a child to start,
            # and the gateway should not wait for it either.
            warming = asyncio.create_task(asyncio.to_thread(pool.warm_up))
            opening = asyncio.create_task(_open(vision))
            try:
                yield Parts(
                    settings,
                    services,
                    urls,
                    metrics,
                    pictures,
                    queue,
                    answering,
                    latencies,
                    vision,
                )
            finally:
                await warming
                await opening
    finally:
        if vision is not None:
            await vision.close()
        await answering.cache.close()
        queue.close()
        await services.close()


async def _open(vision: VisionModel | None) -> None:
    """Importing a model's client takes a second; whoever asks first should not wait for it."""
    if vision is None:
        return
    try:
        await vision.open()
    except ViewfinderError as error:
        log.warning("the vision model cannot be asked", reason=error.message)


def _answering(
    settings: GatewaySettings, urls: Urls, metrics: Metrics, latencies: SearchLatencies
) -> Answering:
    limit = AdaptiveLimit(
        settings.fewest_searches, settings.most_searches, settings.search_goal_ms / 1000
    )
    gate = SearchGate(limit if settings.shed_load else None, metrics.shed.inc)
    metrics.watch(gate)
    cache = ResultCache(
        RedisRuns(settings),
        settings.collection,
        settings.cache_ttl_s if settings.redis_cache_enabled else 0,
        settings.cache_max_entry_bytes,
        settings.cache_timeout_ms / 1000,
    )
    return Answering(settings.collection, urls, cache, gate, SingleFlight(), metrics, latencies)


async def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
