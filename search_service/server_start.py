"""Meeting a Qdrant server, which may come later than this service."""

from __future__ import annotations

import asyncio

import structlog

from search_service.engine_options import EngineOptions
from search_service.epoch import ClockEpoch
from search_service.server_collections import ServerCollections
from search_service.server_connection import connect, why_away
from search_service.server_options import ServerAddress, ServerLayout
from viewfinder.errors import DeadlineExceeded, Overloaded, ServiceUnavailable

_RETRY_S = 1.0
_COMPLAIN_EVERY = 15

log = structlog.get_logger()


async def connect_collections(
    address: ServerAddress,
    name: str,
    options: EngineOptions,
    layout: ServerLayout,
    recall_every_s: float = 0,
) -> tuple[ServerCollections, asyncio.Task[None]]:
    """The collections of the server, and a task that ends once they are open.

    Where the server is away, everything asked is refused as unavailable until it comes.

    Raises:
        IndexUnusable: it refuses the key, is too old, or holds something else of this name. When
            it comes later, the task raises it.
    """
    connection = connect(address)
    collections = ServerCollections(connection, name, ClockEpoch(), options, layout, recall_every_s)
    try:
        is_open = await _opened(collections)
        opening = asyncio.create_task(_nothing() if is_open else _open_later(collections, address))
    except BaseException:
        await collections.close()
        raise
    return collections, opening


async def _opened(collections: ServerCollections) -> bool:
    try:
        await collections.open()
    except (ServiceUnavailable, DeadlineExceeded, Overloaded):
        return False
    return True


async def _nothing() -> None:
    """It is open already."""


async def _open_later(collections: ServerCollections, address: ServerAddress) -> None:
    tries = 0
    while not await _opened(collections):
        if tries % _COMPLAIN_EVERY == 0:
            log.warning("waiting for Qdrant", reason=await why_away(address))
        tries += 1
        await asyncio.sleep(_RETRY_S)
