"""`python -m image_service`: serves the bytes of pictures."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from image_service.content import ContentSource
from image_service.embedding_client import EmbeddingClient
from image_service.heatmaps import Heatmaps
from image_service.original import Original
from image_service.rendition_cache import RenditionCache, RenditionKey
from image_service.renditions import Renditions
from image_service.service import ImageServicer
from image_service.settings import ImageSettings
from viewfinder.blobs import OriginalStore
from viewfinder.pixels import PixelLimits, PixelPool
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1.image_pb2_grpc import add_ImageServiceServicer_to_server


async def serve(settings: ImageSettings) -> None:
    """Serve until SIGTERM."""
    processes = settings.image_pixel_processes
    # Only upload_service writes there, but this may start first; in containers it is read-only.
    settings.originals_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    originals = OriginalStore.reading_folder(settings.originals_dir)
    cache = RenditionCache(settings.renditions_dir, settings.rendition_cache_bytes)
    limits = PixelLimits(
        max_pixels=settings.max_pixels, max_metadata_bytes=settings.max_picture_metadata_bytes
    )
    with (
        PixelPool(processes, limits) as pixels,
        ThreadPoolExecutor(processes, thread_name_prefix="render") as executor,
    ):

        def render(original: Original, key: RenditionKey) -> bytes:
            return pixels.render(original.source(originals), key.width, key.format)

        await asyncio.to_thread(cache.load)
        await asyncio.to_thread(pixels.warm_up)
        renditions = Renditions(
            cache,
            render,
            executor,
            settings.rendition_widths,
            settings.rendition_queue,
            time.monotonic,
        )
        embedding = EmbeddingClient(settings.address_of("embedding"))
        heatmaps = Heatmaps(renditions, originals, pixels, embedding, executor)
        source = ContentSource(originals, renditions, heatmaps, settings.chunk_bytes)
        server = RpcServer(settings.listen_address_of("image"))
        server.add(
            add_ImageServiceServicer_to_server,
            ImageServicer(source),
            "viewfinder.v1.ImageService",
        )
        try:
            await server.run()
        finally:
            await embedding.close()


def main() -> None:
    """Settings, logging, serve."""
    settings = load_settings(ImageSettings)
    configure_logging("image", settings.log_format, settings.log_level)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
