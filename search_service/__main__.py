"""Starts search_service: settings, parts, server."""

from __future__ import annotations

import asyncio
import sys

import structlog

from search_service.collections import Collections
from search_service.embedding_client import EmbeddingClient
from search_service.epoch_lease import EpochLease
from search_service.index_folder import FolderLock, open_collections
from search_service.query import QueryEncoder, Searcher
from search_service.server_options import ServerAddress
from search_service.service import FULL_NAME, SearchAdapter
from search_service.settings import SearchSettings
from search_service.vector_index import IndexUnusable
from viewfinder.errors import ServiceUnavailable, ViewfinderError
from viewfinder.redis_run import RedisRuns
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1 import search_pb2_grpc

_PATIENCE_S = 1.0

log = structlog.get_logger()


async def serve(settings: SearchSettings, collections: Collections) -> None:
    """Serve until SIGTERM, then close the index."""
    encoder = EmbeddingClient(
        settings.address_of("embedding"),
        settings.embed_timeout_s,
        on_new_calibration=lambda: collections.tell_caches(),
    )
    telling = _start_telling(settings, collections)
    preparing = asyncio.create_task(_prepare(collections, encoder))
    server = RpcServer(settings.listen_address_of("search"))
    indexed = settings.engine_options.indexed_metadata
    searcher = Searcher(collections, encoder, indexed_metadata=indexed)
    adapter = SearchAdapter(collections, searcher, settings.collection)
    server.add(search_pb2_grpc.add_SearchServiceServicer_to_server, adapter, FULL_NAME)
    try:
        await server.run()
    finally:
        preparing.cancel()
        await encoder.close()
        await collections.close()
        if telling is not None:
            telling.cancel()
            await asyncio.wait([telling])


def _start_telling(settings: SearchSettings, collections: Collections) -> asyncio.Task[None] | None:
    """From now on caches hear of every write; None where there are none."""
    if not settings.redis_cache_enabled:
        return None

    def revision() -> str:
        try:
            spec = collections.active.spec
        except ServiceUnavailable:  # what nobody can search needs no token of its own
            spec = None
        return "none" if spec is None else spec.revision

    lease = EpochLease(RedisRuns(settings), settings.collection, revision)
    collections.tell_caches = lease.tell
    return asyncio.create_task(lease.run())


async def serve_from_server(settings: SearchSettings, address: ServerAddress) -> None:
    """The same with the collections of a Qdrant server; waits for it while it is away."""
    # Imported here: whoever has the index embedded should not pay its second and its 50 MB.
    from search_service.server_start import connect_collections

    collections, opening = await connect_collections(
        address,
        settings.collection,
        settings.engine_options,
        settings.server_layout,
        settings.recall_every_s,
    )
    serving = asyncio.create_task(serve(settings, collections))
    await asyncio.wait([serving, opening], return_when=asyncio.FIRST_EXCEPTION)
    if not serving.done():  # the server came, and cannot be used
        serving.cancel()
        await asyncio.wait([serving])
        await opening
    opening.cancel()
    await serving


async def _prepare(collections: Collections, encoder: QueryEncoder) -> None:
    """Make a new index while nobody waits for it: the first upsert would take seconds."""
    while True:
        try:
            if collections.active.spec is None:
                await collections.prepare(await encoder.spec())
        except ViewfinderError as error:
            log.debug("not there yet", code=error.code)
            await asyncio.sleep(_PATIENCE_S)
        else:
            return


def main() -> None:
    """Run the service; exit status 1 and one line when it cannot start."""
    settings = load_settings(SearchSettings)
    configure_logging("search", settings.log_format, settings.log_level)
    try:
        if settings.server_address is not None:
            asyncio.run(serve_from_server(settings, settings.server_address))
            return
        lock = FolderLock(settings.index_dir)
        options, build_above = settings.engine_options, settings.build_above
        collections = open_collections(
            settings.index_dir, options, build_above, settings.recall_every_s
        )
        asyncio.run(serve(settings, collections))
    except (IndexUnusable, ViewfinderError, RuntimeError) as error:
        print(f"search_service: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    lock.release()


if __name__ == "__main__":
    main()
