"""How a shard of Qdrant Edge is configured."""

from __future__ import annotations

from typing import Any

import qdrant_edge as edge

from search_service.engine_options import EngineOptions

WORDS = "words"
"""Name of the sparse vector."""
_NEVER_KB = 1 << 40


def shard_config(dim: int, options: EngineOptions, *, for_building: bool) -> Any:
    """The engine's configuration; `for_building`: optimising makes a graph whatever the size."""
    placed = edge.Memory.Cold if options.vectors_on_disk else edge.Memory.Cached
    int8 = edge.ScalarQuantizationConfig(
        type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned
    )
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(
            size=dim,
            distance=edge.Distance.Cosine,
            memory=placed,
            hnsw_config=edge.HnswIndexConfig(
                m=options.m,
                ef_construct=options.ef_construct,
                full_scan_threshold=options.scan_points * dim * 4 // 1024,  # KB
                max_indexing_threads=options.build_threads,
            ),
            quantization_config=int8 if options.int8 else None,
        ),
        sparse_vectors={WORDS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        optimizers=edge.EdgeOptimizersConfig(
            default_segment_number=1,
            max_segment_size=_NEVER_KB,
            indexing_threshold=1 if for_building else _NEVER_KB,
        ),
        max_search_threads=options.search_threads,
    )
