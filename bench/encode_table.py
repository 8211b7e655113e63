"""The speed of an encoder as people read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.encode import OPEN_CLIP, OURS, SERVICE, Encoded, Line
from bench.encode_concurrency import CALLERS

_TITLES = {OURS: "in process", SERVICE: "service", OPEN_CLIP: "open_clip"}
_RATIOS = (OURS, SERVICE)


def show(console: Console, encoded: Encoded) -> None:
    """Tables of times and rates, then what else was measured."""
    rest = encoded.rest
    console.print(
        f"{encoded.title} {rest['revision']} on {rest['device']}, threads: {rest['threads']}",
        markup=False,
    )
    delays = [line for line in encoded.lines if not line.pictures]
    pictures = [line for line in encoded.lines if line.pictures]
    console.print(_table("ms, p50 / p95", delays, _milliseconds))
    console.print(_table("pictures/s", pictures, _rate))
    for name, title in (("_in_process", "batching, in process"), ("", "service")):
        alone = rest[f"texts_per_s{name}"]
        together = rest[f"texts_per_s_at_{CALLERS}{name}"]
        gain = rest[f"concurrent_{CALLERS}_ratio{name}"]
        console.print(
            f"texts/s, {title}: {alone} one by one, {together} from {CALLERS} callers: {gain}x"
        )
    console.print(
        f"service: ready after {rest['start_s']} s, {rest['memory_ready_mb']} MB then,"
        f" {rest['memory_mb']} MB after all of this,"
        f" torch {'is' if rest['service_has_torch'] else 'is not'} loaded"
    )
    if "open_clip_start_s" in rest:
        console.print(
            f"open_clip: a first text and pictures after {rest['open_clip_start_s']} s,"
            f" {rest['open_clip_memory_mb']} MB"
        )
    console.print(
        f"first query after ready: {rest['first_text_ms']} ms,"
        f" {rest['first_text_to_median']}x the median"
        f" (at most {rest['first_text_to_median_max']}x in {rest['starts']} starts)"
    )


def _milliseconds(line: Line, way: str) -> str:
    ms = np.percentile(line.timed.all_of(way), (50, 95)) * 1e3
    return " / ".join(_short(float(value)) for value in ms)


def _rate(line: Line, way: str) -> str:
    return _short(line.pictures / line.timed.median_s(way))


def _short(value: float) -> str:
    """Three digits that count."""
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}"


def _table(title: str, lines: Sequence[Line], cell: Callable[[Line, str], str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(title, no_wrap=True)
    ways = list(lines[0].timed.seconds)
    is_compared = OPEN_CLIP in ways
    for way in ways:
        table.add_column(_TITLES[way], justify="right")
    for way in _RATIOS if is_compared else ():
        table.add_column(f"{_TITLES[way]}\n: open_clip", justify="right")
    for line in lines:
        cells = [cell(line, way) for way in ways]
        if is_compared:
            cells += [f"{line.timed.times_faster(way, OPEN_CLIP):.1f}x" for way in _RATIOS]
        table.add_row(line.title, *cells)
    return table
