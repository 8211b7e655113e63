"""Starts embedding_service: settings, encoder, server."""

from __future__ import annotations

import asyncio
import sys

import structlog

from embedding_service.embedder import Embedder
from embedding_service.encoder_loading import UnknownEncoder, load_encoder
from embedding_service.service import FULL_NAME, EmbeddingAdapter
from embedding_service.settings import EmbeddingSettings
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1 import embedding_pb2_grpc

log = structlog.get_logger()


async def serve(settings: EmbeddingSettings, embedder: Embedder) -> None:
    """Serve until SIGTERM."""
    server = RpcServer(settings.listen_address_of("embedding"))
    server.add(
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
        EmbeddingAdapter(embedder),
        FULL_NAME,
    )
    try:
        await server.run()
    finally:
        await embedder.close()


def main() -> None:
    """Run the service; one line and exit status 2 for an encoder that is not there."""
    settings = load_settings(EmbeddingSettings)
    configure_logging("embedding", settings.log_format, settings.log_level)
    try:
        # Before the port opens: health must not say SERVING before a first call is fast.
        encoder = load_encoder(settings)
    except UnknownEncoder as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    spec = encoder.spec
    log.info("encoder loaded", encoder=spec.name, revision=spec.revision, device=encoder.device)
    embedder = Embedder(
        encoder, settings.text_batch, settings.image_batch, settings.text_cache_size
    )
    asyncio.run(serve(settings, embedder))


if __name__ == "__main__":
    main()
