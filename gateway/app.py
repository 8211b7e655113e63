"""The REST interface, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from gateway import (
    content,
    descriptions,
    heatmap,
    images,
    jobs,
    problem,
    questions,
    reindex,
    search,
    status,
    uploads,
)
from gateway.access import Access
from gateway.body_limits import BodyLimits
from gateway.metrics import Metrics
from gateway.parts import open_parts
from gateway.request_context import RequestContext
from gateway.settings import GatewaySettings
from gateway.urls import Urls

_DESCRIPTION = """Describe a picture and it is there.

Upload pictures, wait for their job, search them by words or by another picture. Errors are
`application/problem+json` (RFC 9457) with a stable `code`. With an API key set, send it as
`X-API-Key` or as a bearer token; the addresses of pictures in answers carry a signature instead.
"""
_SECONDS_OF_CORS = 600


def create_app(settings: GatewaySettings) -> FastAPI:
    """The application. Opens nothing before it is started."""
    urls, metrics = Urls(settings.public_url, settings.api_key), Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_parts(settings, urls, metrics) as parts:
            app.state.parts = parts
            yield

    # FastAPI's own /docs loads its scripts from elsewhere; this one brings them along.
    app: FastAPI = FastAPIOffline(
        title="Viewfinder",
        description=_DESCRIPTION,
        version=version("viewfinder"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    problem.install(app)
    # Routes are tried one after the other: searches are the most frequent, and the most urgent.
    for room in (
        search,
        content,
        heatmap,
        uploads,
        images,
        questions,
        descriptions,
        jobs,
        reindex,
        status,
    ):
        app.include_router(room.router)
    # The last one added is the outermost.
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(Access, settings=settings, urls=urls)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["ETag", "Content-Range", "X-Request-ID", "Retry-After"],
            max_age=_SECONDS_OF_CORS,
        )
    app.add_middleware(RequestContext, metrics=metrics)
    return app
