"""How a shard of Qdrant Edge is configured."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from search_service.engine_options import EngineOptions
from search_service.late import PAGES, POOLED, late_options

WORDS = "words"
"""Name of the sparse vector."""
_NEVER_KB = 1 << 40


def shard_config(
    dim: int, options: EngineOptions, *, for_building: bool, multi: bool = False
) -> Any:
    """The engine's configuration; `for_building`: optimising makes a graph whatever the size."""
    vectors: Any = _of_pages(dim, late_options(options)) if multi else _of_pictures(dim, options)
    words = {WORDS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
    return edge.EdgeConfig(
        vectors=vectors,
        sparse_vectors=None if multi else words,
        optimizers=edge.EdgeOptimizersConfig(
            default_segment_number=1,
            max_segment_size=_NEVER_KB,
            indexing_threshold=1 if for_building else _NEVER_KB,
        ),
        max_search_threads=options.search_threads,
    )


def _of_pictures(dim: int, options: EngineOptions) -> Any:
    return edge.EdgeVectorParams(
        size=dim,
        distance=edge.Distance.Cosine,
        memory=_placed(on_disk=options.vectors_on_disk),
        hnsw_config=_graph(dim, options),
        quantization_config=_int8() if options.int8 else None,
    )


def _of_pages(dim: int, options: EngineOptions) -> dict[str, Any]:
    matrices = edge.MultiVectorConfig(comparator=edge.MultiVectorComparator.MaxSim)
    quantised = {
        "none": None,
        "int8": _int8(),
        "binary": edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned),
    }
    return {
        PAGES: edge.EdgeVectorParams(
            size=dim,
            distance=edge.Distance.Cosine,
            multivector_config=matrices,
            memory=_placed(on_disk=options.late_on_disk),
            # No graph: only a few are ever compared, which the means have found.
            hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=0),
            quantization_config=quantised[options.late_quantisation],
        ),
        POOLED: edge.EdgeVectorParams(
            size=dim,
            distance=edge.Distance.Cosine,
            multivector_config=matrices,
            memory=edge.Memory.Cached,
            hnsw_config=_graph(dim, options),
        ),
    }


def _placed(*, on_disk: bool) -> Any:
    return edge.Memory.Cold if on_disk else edge.Memory.Cached


def _graph(dim: int, options: EngineOptions) -> Any:
    return edge.HnswIndexConfig(
        m=options.m,
        ef_construct=options.ef_construct,
        full_scan_threshold=options.scan_points * dim * 4 // 1024,  # KB
        max_indexing_threads=options.build_threads,
    )


def _int8() -> Any:
    return edge.ScalarQuantizationConfig(
        type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned
    )
