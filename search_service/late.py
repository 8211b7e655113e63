"""Late interaction: a page is a matrix of vectors, and every token of a query looks for its best.

MaxSim (Khattab, Zaharia: ColBERT, SIGIR 2020) of a query [tokens, dim] and a page [rows, dim] is
the sum over the tokens of the highest dot product with any row. A page has hundreds of rows, so it
is also kept as POOLED_ROWS means of them: those find RERANKED pages, which are then ranked by all
of their rows. `viewfinder bench late` measures what that loses and what it gains.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search_service.engine_options import EngineOptions
from search_service.vector_index import Vector

PAGES = "pages"
"""Name of the vectors that are all rows."""
POOLED = "pooled"
"""Name of the vectors that are their means."""
POOLED_ROWS = 8
RERANKED = 200
"""So many of the best by means are ranked by all rows."""
MAX_ROWS = 4096
MAX_NUMBERS = 1_000_000
"""Of one page; what a Qdrant server takes."""


def pool(page: Vector, rows: int = POOLED_ROWS) -> Vector:
    """Means [<= rows, dim] of a page's rows in their order, which is that of reading; each of
    length 1."""
    starts = np.linspace(0, len(page), min(rows, len(page)), endpoint=False).astype(np.int64)
    sums = np.add.reduceat(page, starts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # Rows that cancel each other out leave no direction: any of them is as good.
    means = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), page[starts])
    return np.asarray(means, dtype=np.float32)


def late_options(options: EngineOptions) -> EngineOptions:
    """How pages are kept and searched where `options` say it of pictures: one of them costs as
    much as POOLED_ROWS pictures."""
    return replace(
        options,
        ef=max(options.ef, RERANKED),
        scan_points=max(1, options.scan_points // POOLED_ROWS),
    )
