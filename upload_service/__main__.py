"""`python -m upload_service`: wiring only."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress

import structlog

from upload_service.catalog import Catalog
from upload_service.claims import Claims
from upload_service.database import Writer, open_catalogue
from upload_service.description_requests import DescriptionRequests
from upload_service.intake import Intake
from upload_service.jobs import Changes, Jobs
from upload_service.reconciler import Reconciler
from upload_service.reindexing import Reindexing
from upload_service.repair import repair
from upload_service.service import CatalogAdapter, UploadAdapter
from upload_service.settings import UploadSettings
from upload_service.snapshot import drop_snapshots
from viewfinder.blobs import OriginalStore
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelLimits, PixelPool
from viewfinder.queue import WorkQueue
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1 import catalog_pb2_grpc, upload_pb2_grpc

log = structlog.get_logger()


async def serve(settings: UploadSettings) -> None:
    """Serve until SIGTERM."""
    originals = OriginalStore.in_folder(settings.originals_dir)
    originals.drop_temporaries()
    drop_snapshots(settings.catalogue_file)
    engine = open_catalogue(settings.catalogue_file)
    writer = Writer(engine)
    changes = Changes()
    queue = WorkQueue.of(settings)
    catalog = Catalog(engine, writer, settings.max_metadata_bytes, time.time)
    reindexing = Reindexing(writer, time.time, settings.reindex_share)
    claims = Claims(writer, reindexing, originals.delete, time.time)
    reconciler = Reconciler(claims, queue, settings.reconcile_interval_s)

    def on_taken() -> None:
        changes.notify()
        reconciler.work_arrived()

    limits = PixelLimits(
        max_pixels=settings.max_pixels,
        max_metadata_bytes=settings.max_picture_metadata_bytes,
        max_pages=settings.max_pages,
    )
    with PixelPool(processes=1, limits=limits) as pixels:
        await asyncio.to_thread(pixels.warm_up)
        intake = Intake(catalog, originals, pixels, settings.max_upload_bytes, on_taken)
        server = RpcServer(settings.listen_address_of("upload"))
        server.add(
            upload_pb2_grpc.add_UploadServiceServicer_to_server,
            UploadAdapter(intake),
            "viewfinder.v1.UploadService",
        )
        server.add(
            catalog_pb2_grpc.add_CatalogServiceServicer_to_server,
            CatalogAdapter(
                catalog,
                claims,
                Jobs(engine, changes),
                changes,
                reindexing,
                reconciler,
                DescriptionRequests(writer, claims.describing, time.time),
            ),
            "viewfinder.v1.CatalogService",
        )
        background = [
            asyncio.create_task(reconciler.run()),
            asyncio.create_task(asyncio.to_thread(repair, catalog, originals)),
        ]
        try:
            await server.run(on_stopping=changes.stop)
        finally:
            for task in background:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            writer.close()
            queue.close()


def main() -> None:
    """Exit status 2 with one line when it cannot start."""
    settings = load_settings(UploadSettings)
    configure_logging("upload", settings.log_format, settings.log_level)
    try:
        asyncio.run(serve(settings))
    except ViewfinderError as error:
        sys.exit(f"upload_service cannot start: {error.message}")


if __name__ == "__main__":
    main()
