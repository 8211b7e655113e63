"""Engines side by side, as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.engines import PeerRun

_ROWS = {
    "build s": ("build_s", 1),
    "memory MiB": ("memory_mib", 0),
    "disk MiB": ("disk_mib", 0),
    "p50 ms": ("p50_ms", 2),
    "p95 ms": ("p95_ms", 2),
    "recall@10": ("recall", 3),
    "2 % filter: p50 ms": ("filtered_p50_ms", 2),
    "2 % filter: p95 ms": ("filtered_p95_ms", 2),
    "2 % filter: recall@10": ("filtered_recall", 3),
}


def show(console: Console, run: PeerRun) -> None:
    """The table, and who is missing from it."""
    recipe = run.recipe
    console.print(f"{recipe.count:,} {recipe.kind} vectors of {recipe.dim}, {run.queries} queries")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in run.rows:
        table.add_column(one.name, justify="right", no_wrap=True)
    for title, (name, digits) in _ROWS.items():
        table.add_row(title, *(f"{getattr(one, name):,.{digits}f}" for one in run.rows))
    console.print(table)
    for name, reason in run.skipped.items():
        console.print(f"{name} is left out: {reason}", style="yellow", markup=False)
