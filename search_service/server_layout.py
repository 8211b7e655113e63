"""How a collection on a Qdrant server is configured."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from qdrant_client import models

from search_service.engine_options import EngineOptions
from search_service.late import PAGES, POOLED, late_options
from search_service.server_options import ServerLayout
from search_service.server_points import WORDS

PAYLOAD_SCHEMA = MappingProxyType(
    {
        "text": models.PayloadSchemaType.KEYWORD,
        "integer": models.PayloadSchemaType.INTEGER,
        "time": models.PayloadSchemaType.DATETIME,
        "place": models.PayloadSchemaType.GEO,
        "number": models.PayloadSchemaType.FLOAT,
        "flag": models.PayloadSchemaType.BOOL,
    }
)


def creation(
    dim: int, options: EngineOptions, layout: ServerLayout, *, multi: bool = False
) -> dict[str, Any]:
    """What `create_collection` is told beside the name."""
    of_pictures = {
        "vectors_config": models.VectorParams(
            size=dim,
            distance=models.Distance.COSINE,
            on_disk=options.vectors_on_disk,
        ),
        "hnsw_config": _graph(dim, options),
        "quantization_config": _int8() if options.int8 else None,
        "sparse_vectors_config": {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
    }
    return {
        **({"vectors_config": _of_pages(dim, late_options(options))} if multi else of_pictures),
        "shard_number": layout.shards or None,
        "replication_factor": layout.replicas,
        "write_consistency_factor": layout.write_consistency,
        # Hosted servers refuse filters on keys without an index; most metadata.* are such keys.
        "strict_mode_config": models.StrictModeConfig(enabled=False),
    }


def _of_pages(dim: int, options: EngineOptions) -> dict[str, models.VectorParams]:
    matrices = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    quantised = {
        "none": None,
        "int8": _int8(),
        "binary": models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(always_ram=True)
        ),
    }
    return {
        PAGES: models.VectorParams(
            size=dim,
            distance=models.Distance.COSINE,
            multivector_config=matrices,
            on_disk=options.late_on_disk,
            # No graph: only a few are ever compared, which the means have found.
            hnsw_config=models.HnswConfigDiff(m=0),
            quantization_config=quantised[options.late_quantisation],
        ),
        POOLED: models.VectorParams(
            size=dim,
            distance=models.Distance.COSINE,
            multivector_config=matrices,
            on_disk=False,
            hnsw_config=_graph(dim, options),
        ),
    }


def _graph(dim: int, options: EngineOptions) -> models.HnswConfigDiff:
    return models.HnswConfigDiff(
        m=options.m,
        ef_construct=options.ef_construct,
        full_scan_threshold=options.scan_points * dim * 4 // 1024,  # KB
    )


def _int8() -> models.ScalarQuantization:
    return models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=0.99, always_ram=True
        )
    )


def search_params(
    options: EngineOptions, *, exact: bool, among: tuple[int, int] | None
) -> models.SearchParams:
    """How one search goes about it; `among`: matches of its filter, and points in all."""
    if exact:
        return models.SearchParams(exact=True)
    int8 = rescoring(options) if options.int8 else None
    ef = options.ef if among is None else options.ef_among(*among)
    if ef is None:
        return models.SearchParams(exact=True, quantization=int8)
    return models.SearchParams(hnsw_ef=ef, quantization=int8)


def late_params(options: EngineOptions) -> models.SearchParams | None:
    """How pages that the means have found are ranked by all of their rows."""
    if options.late_quantisation == "none":
        return None
    return models.SearchParams(quantization=rescoring(options))


def rescoring(options: EngineOptions) -> models.QuantizationSearchParams:
    """More than wanted are found by quantised vectors, and ranked again by the full ones."""
    return models.QuantizationSearchParams(rescore=True, oversampling=options.oversampling)
