"""Ways to the same result, timed in turn: what disturbs the machine disturbs all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Call = Callable[[], object]


@dataclass(frozen=True)
class Paired:
    """Seconds a call of each way, in rounds: {way: [rounds][calls]}."""

    seconds: Mapping[str, list[list[float]]]

    def all_of(self, way: str) -> list[float]:
        """Every call of a way."""
        return [second for calls in self.seconds[way] for second in calls]

    def median_s(self, way: str) -> float:
        """The median call."""
        return float(np.median(self.all_of(way)))

    def times_faster(self, way: str, than: str) -> float:
        """How many times as fast one way is as another: the median over rounds of the ratio of
        their medians in the round."""
        ratios = [
            float(np.median(slow) / np.median(fast))
            for fast, slow in zip(self.seconds[way], self.seconds[than], strict=True)
        ]
        return float(np.median(ratios))


def time_in_turn(ways: Mapping[str, Callable[[], Call]], rounds: int, calls: int) -> Paired:
    """Time each way `calls` times, then the next, and all of that `rounds` times.

    A way makes what one call needs (a new text, say), which is not timed, and returns the call.
    One call of each goes ahead untimed. Several calls in a row let a way find its own data in the
    processor's caches, as it would alone.
    """
    for make in ways.values():
        make()()
    seconds: dict[str, list[list[float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, make in ways.items():
            taken = []
            for _ in range(calls):
                call = make()
                began = time.perf_counter()
                call()
                taken.append(time.perf_counter() - began)
            seconds[way].append(taken)
    return Paired(seconds)
