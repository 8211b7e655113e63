"""How a collection on a Qdrant server is configured."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from qdrant_client import models

from search_service.engine_options import EngineOptions
from search_service.filters import FILTER_KEYS
from search_service.server_options import ServerLayout
from search_service.server_points import WORDS

PAYLOAD_SCHEMA = MappingProxyType(
    {
        "text": models.PayloadSchemaType.KEYWORD,
        "integer": models.PayloadSchemaType.INTEGER,
        "time": models.PayloadSchemaType.DATETIME,
        "place": models.PayloadSchemaType.GEO,
    }
)


def creation(dim: int, options: EngineOptions, layout: ServerLayout) -> dict[str, Any]:
    """What `create_collection` is told beside the name."""
    int8 = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.99, always_ram=True
        )
    )
    return {
        "vectors_config": models.VectorParams(
            size=dim,
            distance=models.Distance.COSINE,
            on_disk=options.vectors_on_disk,
        ),
        "hnsw_config": models.HnswConfigDiff(
            m=options.m,
            ef_construct=options.ef_construct,
            full_scan_threshold=options.scan_points * dim * 4 // 1024,  # KB
        ),
        "quantization_config": int8 if options.int8 else None,
        "sparse_vectors_config": {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        "shard_number": layout.shards or None,
        "replication_factor": layout.replicas,
        "write_consistency_factor": layout.write_consistency,
        # Hosted servers refuse filters on keys without an index; metadata.* are such keys.
        "strict_mode_config": models.StrictModeConfig(enabled=False),
    }


def missing_indexes(present: dict[str, Any]) -> dict[str, models.PayloadSchemaType]:
    """The filterable keys that have no payload index yet, and which one they want."""
    return {key: PAYLOAD_SCHEMA[kind] for key, kind in FILTER_KEYS.items() if key not in present}


def search_params(
    options: EngineOptions, *, exact: bool, among: tuple[int, int] | None
) -> models.SearchParams:
    """How one search goes about it; `among`: matches of its filter, and points in all."""
    if exact:
        return models.SearchParams(exact=True)
    again = models.QuantizationSearchParams(rescore=True, oversampling=options.oversampling)
    int8 = again if options.int8 else None
    ef = options.ef if among is None else options.ef_among(*among)
    if ef is None:
        return models.SearchParams(exact=True, quantization=int8)
    return models.SearchParams(hnsw_ef=ef, quantization=int8)
