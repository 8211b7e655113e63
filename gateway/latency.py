"""Where the time of searches went, over a rolling window."""

from __future__ import annotations

import numpy as np

from viewfinder.api_models import LatencyStats

WINDOW = 10_000


class LatencyWindow:
    """The last `size` latencies in milliseconds. One writer: the event loop."""

    def __init__(self, size: int = WINDOW) -> None:
        self._values = np.zeros(size, np.float64)
        self._seen = 0

    def add(self, latency_ms: float) -> None:
        """Remember one latency; the oldest is forgotten when the window is full."""
        self._values[self._seen % len(self._values)] = latency_ms
        self._seen += 1

    def stats(self) -> LatencyStats:
        """Count, percentiles and mean of the window; zeros while it is empty."""
        count = min(self._seen, len(self._values))
        if count == 0:
            return LatencyStats(count=0, p50_ms=0, p95_ms=0, p99_ms=0, mean_ms=0)
        window = self._values[:count]
        p50, p95, p99 = np.percentile(window, (50, 95, 99))
        return LatencyStats(
            count=count,
            p50_ms=round(float(p50), 3),
            p95_ms=round(float(p95), 3),
            p99_ms=round(float(p99), 3),
            mean_ms=round(float(window.mean()), 3),
        )


class SearchLatencies:
    """Of embedding, of the index, and of all between request and answer."""

    def __init__(self) -> None:
        self.embedding = LatencyWindow()
        self.search = LatencyWindow()
        self.total = LatencyWindow()
