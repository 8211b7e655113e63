"""Recall of text-to-picture search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recall(
    texts: NDArray[np.float32],
    pictures: NDArray[np.float32],
    target: NDArray[np.int64],
    at: tuple[int, ...] = (1, 5, 10),
) -> dict[int, float]:
    """Percent of texts [n, d] whose picture `target[n]` of [m, d] is among the best `at`."""
    scores = texts @ pictures.T
    own = scores[np.arange(len(texts)), target]
    rank = (scores > own[:, None]).sum(1)
    return {k: float((rank < k).mean() * 100) for k in at}
