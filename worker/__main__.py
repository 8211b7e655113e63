"""`python -m worker --queue N`: the worker of one queue."""

from __future__ import annotations

import signal
from typing import Annotated, Literal

import grpc
import typer

from viewfinder.pixels import PixelPool
from viewfinder.queue import WorkQueue, connect
from viewfinder.rpc import open_blocking_channel
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1.catalog_pb2_grpc import CatalogServiceStub
from viewfinder.v1.embedding_pb2_grpc import EmbeddingServiceStub
from viewfinder.v1.image_pb2_grpc import ImageServiceStub
from viewfinder.v1.search_pb2_grpc import SearchServiceStub
from viewfinder.vision.opening import open_vision_model
from worker.abilities import KnownAbilities
from worker.batch import BatchLimits, BatchRunner, StopSignal
from worker.decoding import Decoder
from worker.describing import DescribingLimits, PictureDescriber
from worker.indexing import Indexer
from worker.jobs import JobContext
from worker.lease import WorkLoop
from worker.originals import StoredOriginals
from worker.reading import TextReader
from worker.rpc_peers import RpcCatalog, RpcEmbedder, RpcIndex, RpcRenditions
from worker.settings import WorkerSettings

_CONNECTION_TIMEOUT_S = 10.0  # longer than the worker blocks on an empty queue


def main(
    queue: Annotated[
        int, typer.Option(min=0, max=63, help="The number of the queue this worker listens to.")
    ] = 0,
) -> None:
    """Index what the catalogue says is to be done, until SIGTERM."""
    settings = load_settings(WorkerSettings)
    configure_logging(f"worker-{queue}", settings.log_format, settings.log_level)
    stop = StopSignal()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)

    # The children first: they are spawned before any gRPC channel is open.
    with PixelPool(settings.pixel_processes, settings.pixel_limits) as pixels:
        pixels.warm_up()
        index = RpcIndex(SearchServiceStub(_channel(settings, "search")))
        embedder = RpcEmbedder(EmbeddingServiceStub(_channel(settings, "embedding")))
        catalog = RpcCatalog(CatalogServiceStub(_channel(settings, "upload")))
        renditions = RpcRenditions(ImageServiceStub(_channel(settings, "image")))
        decoder = Decoder(StoredOriginals(settings.originals_dir), pixels, settings.pixel_processes)
        hints = WorkQueue.of(settings)
        describer = _describer(settings, queue, decoder, catalog, hints)
        runner = BatchRunner(
            catalog,
            KnownAbilities(embedder.abilities),
            Indexer(decoder, embedder, index, settings.chunk_size),
            TextReader(decoder, embedder, index),
            index,
            renditions,
            stop,
            BatchLimits(pictures=settings.batch_size),
            describer=describer,
        )
        WorkLoop(
            queue,
            connect(settings, _CONNECTION_TIMEOUT_S),
            hints,
            JobContext(runner, hints),
            stop,
        ).run()
        if describer is not None:
            describer.close()
        decoder.close()


def _describer(
    settings: WorkerSettings, queue: int, decoder: Decoder, catalog: RpcCatalog, hints: WorkQueue
) -> PictureDescriber | None:
    """None while there is no vision model."""
    vision = open_vision_model(settings)
    if vision is None:
        return None
    limits = DescribingLimits(
        settings.llm_concurrency,
        settings.llm_max_side,
        longest_s=2 * settings.llm_timeout_s + 5,  # it may be asked twice
    )
    name = f"describer-{queue}"
    return PictureDescriber(name, decoder, vision, catalog, lambda: hints.wake(queue), limits)


def _channel(
    settings: WorkerSettings, service: Literal["upload", "embedding", "search", "image"]
) -> grpc.Channel:
    return open_blocking_channel(settings.address_of(service), f"{service}_service")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
