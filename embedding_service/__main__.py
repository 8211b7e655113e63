"""Starts embedding_service: settings, encoder, server."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from embedding_service.calibration_file import load_calibration, load_late_calibration
from embedding_service.document_loading import load_document_encoder
from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.encoder_loading import UnknownEncoder, load_encoder
from embedding_service.encoders.idle import DocumentOnDemand
from embedding_service.multi_embedder import MultiVectorEmbedder
from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.reader import PictureReader
from embedding_service.service import FULL_NAME, EmbeddingAdapter
from embedding_service.settings import EmbeddingSettings
from viewfinder.errors import ServiceUnavailable
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1 import embedding_pb2_grpc

log = structlog.get_logger()


async def serve(
    settings: EmbeddingSettings,
    default: Embedder,
    load: Callable[[str], Embedder],
    document: MultiVectorEmbedder | None,
) -> None:
    """Serve until SIGTERM."""
    embedders = EmbedderSet(default, load, document)
    reader = _reader(settings)
    server = RpcServer(settings.listen_address_of("embedding"))
    server.add(
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
        EmbeddingAdapter(embedders, reader),
        FULL_NAME,
    )
    try:
        await server.run()
    finally:
        if reader is not None:
            await reader.close()
        await embedders.close()


def _reader(settings: EmbeddingSettings) -> PictureReader | None:
    if not settings.ocr:
        return None
    return PictureReader(ReaderLimits(threads=settings.ocr_threads), settings.ocr_idle_s)


def main() -> None:
    """Run the service; one line and exit status 2 for an encoder that is not there."""
    settings = load_settings(EmbeddingSettings)
    configure_logging("embedding", settings.log_format, settings.log_level)

    def load(name: str) -> Embedder:
        encoder = load_encoder(settings, name)
        return Embedder(
            encoder,
            settings.text_batch,
            settings.image_batch,
            settings.text_cache_size,
            load_calibration(settings.models_dir, encoder.spec),
        )

    try:
        # Before the port opens: health must not say SERVING before a first call is fast.
        default = load("")
        pages = load_document_encoder(settings)
    except UnknownEncoder as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    spec = default.spec
    log.info("encoder loaded", encoder=spec.name, revision=spec.revision, device=default.device)
    document = None
    if pages is not None:
        log.info("document model chosen", model=pages.spec.name, device=pages.device)
        document = MultiVectorEmbedder(
            pages,
            settings.text_batch,
            settings.text_cache_size,
            load_late_calibration(settings.models_dir, pages.spec.name, settings.token_pooling),
        )
        # Pictures need not wait for its gigabytes. A thread that ends with the process: SIGTERM
        # does not wait for them either.
        threading.Thread(target=_load, args=(pages,), name="document model", daemon=True).start()
    asyncio.run(serve(settings, default, load, document))


def _load(encoder: DocumentOnDemand) -> None:
    with suppress(ServiceUnavailable):  # it is in the log; every call tries again
        encoder.warm_up()


if __name__ == "__main__":
    main()
