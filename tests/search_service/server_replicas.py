"""Replicas of search_service on a server that speaks Qdrant's protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import numpy as np

from search_service.encoder_binding import EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.filters import FILTER_KEYS
from search_service.server_collections import ServerCollections
from search_service.server_options import ServerLayout
from search_service.vector_index import IndexQuery
from tests.search_service.points import DIM, SPEC, ids_of, some_points
from tests.search_service.qdrant_protocol_stub import QdrantStub

NEXT = dataclasses.replace(SPEC, name="Next Encoder", revision="r2", dim=2 * DIM)
OPTIONS = EngineOptions(
    m=24,
    ef_construct=300,
    ef=99,
    oversampling=3.0,
    scan_points=64,
    indexed_metadata={"a.b": "number"},
)
INDEXED = {*FILTER_KEYS, 'metadata."a.b"', 'metadata."a"."b"'}
LAYOUT = ServerLayout(shards=6, replicas=3, write_consistency=2)


OpenReplica = Callable[[], Awaitable[ServerCollections]]


async def fill(server_collections: ServerCollections, spec: EncoderSpec, count: int) -> None:
    points, vectors = some_points(count)
    wide = np.hstack([vectors] * (spec.dim // DIM))
    await server_collections.upsert(
        spec, points, wide, beside=server_collections.active.spec is not None
    )


async def found(server_collections: ServerCollections, spec: EncoderSpec) -> list[int]:
    vector = np.hstack([some_points(1)[1][0]] * (spec.dim // DIM))
    hits, _ = await server_collections.active.search(spec, IndexQuery(vector, 100))
    return ids_of(hits)


async def names_on(qdrant: QdrantStub) -> set[str]:
    return {one.name for one in (await qdrant.local.get_collections()).collections}
