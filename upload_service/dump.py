"""A snapshot of the catalogue as protobuf messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

from upload_service.reindex_wire import spec_message
from upload_service.snapshot import Snapshot
from viewfinder.v1 import catalog_pb2

_Message = catalog_pb2.DumpCatalogueResponse


async def dump(taking: AbstractContextManager[Snapshot]) -> AsyncIterator[_Message]:
    """The head, the database, then its originals; what blocks does so in threads."""
    snapshot = await asyncio.to_thread(taking.__enter__)
    try:
        parts = _parts(snapshot)
        while (message := await asyncio.to_thread(next, parts, None)) is not None:
            yield message
    finally:
        await asyncio.to_thread(taking.__exit__, None, None, None)


def _parts(snapshot: Snapshot) -> Iterator[_Message]:
    yield _Message(
        head=catalog_pb2.CatalogueHead(
            schema=snapshot.schema,
            size_bytes=snapshot.size_bytes,
            images=snapshot.images,
            originals_bytes=snapshot.originals_bytes,
            active=None if snapshot.active is None else spec_message(snapshot.active),
        )
    )
    for chunk in snapshot.chunks():
        yield _Message(chunk=chunk)
    for some in snapshot.originals():
        entries = [
            catalog_pb2.OriginalEntry(
                blob_key=original.blob_key, sha256=original.sha256, size_bytes=original.size_bytes
            )
            for original in some
        ]
        yield _Message(originals=catalog_pb2.OriginalEntries(entries=entries))
