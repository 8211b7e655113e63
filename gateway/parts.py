"""What the routes share, made once when the gateway starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from redis import Redis

from gateway.latency import SearchLatencies
from gateway.metrics import Metrics
from gateway.query_picture import QueryPictures
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.urls import Urls
from viewfinder.pixels import PixelLimits, PixelPool
from viewfinder.queue import connect


@dataclass(frozen=True)
class Parts:
    """Everything a route may need."""

    settings: GatewaySettings
    services: Services
    urls: Urls
    metrics: Metrics
    query_pictures: QueryPictures
    queue: Redis
    latencies: SearchLatencies = field(default_factory=SearchLatencies)


@asynccontextmanager
async def open_parts(
    settings: GatewaySettings, urls: Urls, metrics: Metrics
) -> AsyncIterator[Parts]:
    """Channels, decoders and queue client, closed at the end."""
    services = Services.open(settings)
    queue = connect(settings)
    limits = PixelLimits(max_pixels=settings.max_pixels)
    try:
        with PixelPool(settings.gateway_pixel_processes, limits) as pool:
            pictures = QueryPictures(
                services.search, services.embedding, pool, settings.query_pictures
            )
            # In the background: the first search by picture should not wait for a child to start,
            # and the gateway should not wait for it either.
            warming = asyncio.create_task(asyncio.to_thread(pool.warm_up))
            try:
                yield Parts(settings, services, urls, metrics, pictures, queue)
            finally:
                await warming
    finally:
        queue.close()
        await services.close()


async def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]
