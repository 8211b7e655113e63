"""The gateway's view of the services: typed stubs, and the channels below them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from viewfinder.errors import ViewfinderError
from viewfinder.rpc import open_channel, wait_until_connected
from viewfinder.settings import SharedSettings
from viewfinder.v1 import (
    catalog_pb2_grpc,
    embedding_pb2_grpc,
    image_pb2_grpc,
    search_pb2_grpc,
    upload_pb2_grpc,
)

if TYPE_CHECKING:
    from viewfinder.v1.catalog_pb2_grpc import CatalogServiceAsyncStub
    from viewfinder.v1.embedding_pb2_grpc import EmbeddingServiceAsyncStub
    from viewfinder.v1.image_pb2_grpc import ImageServiceAsyncStub
    from viewfinder.v1.search_pb2_grpc import SearchServiceAsyncStub
    from viewfinder.v1.upload_pb2_grpc import UploadServiceAsyncStub

QUICK_S = 10.0
SEARCH_S = 10.0
UPLOAD_S = 3600.0  # a slow line is no fault; a silent one ends after VIEWFINDER_BODY_IDLE_S
CONTENT_S = 600.0
WATCH_S = 24 * 3600.0
_CHECK_S = 2.0


@dataclass(frozen=True)
class Services:
    """Open channels to all services. Made inside a running event loop."""

    upload: UploadServiceAsyncStub
    catalog: CatalogServiceAsyncStub
    embedding: EmbeddingServiceAsyncStub
    search: SearchServiceAsyncStub
    image: ImageServiceAsyncStub
    _channels: dict[str, grpc.aio.Channel]
    _uploads: grpc.aio.Channel

    @staticmethod
    def open(settings: SharedSettings) -> Services:
        """Channels to where the settings say; connects when first used."""
        channels = {
            "upload": open_channel(settings.address_of("upload"), "upload_service"),
            "embedding": open_channel(settings.address_of("embedding"), "embedding_service"),
            "search": open_channel(settings.address_of("search"), "search_service"),
            "image": open_channel(settings.address_of("image"), "image_service"),
        }
        uploads = open_channel(settings.address_of("upload"), "upload_service", retries=False)
        return Services(
            upload=upload_pb2_grpc.UploadServiceStub(uploads),
            catalog=catalog_pb2_grpc.CatalogServiceStub(channels["upload"]),
            embedding=embedding_pb2_grpc.EmbeddingServiceStub(channels["embedding"]),
            search=search_pb2_grpc.SearchServiceStub(channels["search"]),
            image=image_pb2_grpc.ImageServiceStub(channels["image"]),
            _channels=channels,
            _uploads=uploads,
        )

    async def wait_for_upload(self) -> None:
        """Until `upload` can be called.

        Raises:
            ServiceUnavailable: not soon.
        """
        await wait_until_connected(self._uploads, "upload_service")

    async def check(self) -> dict[str, str]:
        """What is wrong with each service, by its name; empty where it serves."""
        names = list(self._channels)
        answers = await asyncio.gather(*(self._check(name) for name in names))
        return dict(zip(names, answers, strict=True))

    async def _check(self, name: str) -> str:
        stub: Any = health_pb2_grpc.HealthStub(self._channels[name])  # its types know no Check
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_CHECK_S)
        except ViewfinderError as error:
            return error.message
        serving = health_pb2.HealthCheckResponse.SERVING
        return "" if answer.status == serving else "it answers, but is not serving"

    async def close(self) -> None:
        """Close all channels; calls in flight are cancelled."""
        channels = [*self._channels.values(), self._uploads]
        await asyncio.gather(*(channel.close() for channel in channels))
