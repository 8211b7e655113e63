"""Starts search_service: settings, parts, server."""

from __future__ import annotations

import asyncio
import sys

import structlog

from search_service.collection_set import CollectionSet
from search_service.embedding_client import EmbeddingClient
from search_service.index_folder import FolderLock, open_collections
from search_service.query import QueryEncoder, Searcher
from search_service.service import FULL_NAME, SearchAdapter
from search_service.settings import SearchSettings
from search_service.vector_index import IndexUnusable
from viewfinder.errors import ViewfinderError
from viewfinder.rpc_server import RpcServer
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging
from viewfinder.v1 import search_pb2_grpc

_PATIENCE_S = 1.0

log = structlog.get_logger()


async def serve(settings: SearchSettings, collections: CollectionSet) -> None:
    """Serve until SIGTERM, then close the index."""
    encoder = EmbeddingClient(settings.address_of("embedding"), settings.embed_timeout_s)
    preparing = asyncio.create_task(_prepare(collections, encoder))
    server = RpcServer(settings.listen_address_of("search"))
    adapter = SearchAdapter(collections, Searcher(collections, encoder), settings.collection)
    server.add(search_pb2_grpc.add_SearchServiceServicer_to_server, adapter, FULL_NAME)
    try:
        await server.run()
    finally:
        preparing.cancel()
        await encoder.close()
        await collections.close()


async def _prepare(collections: CollectionSet, encoder: QueryEncoder) -> None:
    """Make a new index while nobody waits for it: the first upsert would take seconds."""
    while collections.active.spec is None:
        try:
            await collections.active.prepare(await encoder.spec())
        except ViewfinderError as error:
            log.debug("encoder not there yet", code=error.code)
            await asyncio.sleep(_PATIENCE_S)


def main() -> None:
    """Run the service; exit status 1 and one line when it cannot start."""
    settings = load_settings(SearchSettings)
    configure_logging("search", settings.log_format, settings.log_level)
    try:
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
