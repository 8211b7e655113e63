"""Engines side by side, as people read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.engines import PeerRun

_ROWS = {
    "build s": ("build_s", 1),
    "disk MiB": ("disk_mib", 0),
    "open s": ("open_s", 1),
    "memory MiB": ("memory_mib", 0),
    "  of files": ("mapped_mib", 0),
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
    for engine in run.built:
        table.add_column(engine, justify="right", no_wrap=True)
    figures = run.figures()
    for title, (name, digits) in _ROWS.items():
        values = [figures.get(f"{engine}_{name}") for engine in run.built]
        if None not in values:  # asked, not only built
            table.add_row(title, *(f"{value:,.{digits}f}" for value in values))
    console.print(table)
    for name, reason in run.skipped.items():
        console.print(f"{name} is left out: {reason}", style="yellow", markup=False)


@contextmanager
def told_to(console: Console) -> Iterator[Callable[[str], None]]:
    """What is under way, and for how long; lines with the time where nobody sits at it."""
    if not console.is_terminal:
        yield lambda said: console.log(said, markup=False, highlight=False)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("...", total=None)
        yield lambda said: progress.update(task, description=said)
