"""An evaluation for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.retrieval import Evaluation, compared
from bench.retrieval_metrics import figures_of

_SHOWN_UNREADABLE = 10
_TITLES = {
    "r_at_1": "R@1, %",
    "r_at_5": "R@5, %",
    "r_at_10": "R@10, %",
    "p_at_4": "P@4, %",
    "ndcg_at_4": "NDCG@4",
    "mrr": "MRR",
    "median_rank": "median rank",
}


def show(console: Console, first: Evaluation, second: Evaluation | None) -> None:
    """The table, and what was left out."""
    title = (
        f"{first.dataset.name}: {len(first.dataset.questions):,} questions,"
        f" {len(first.dataset.pictures):,} pictures"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column(first.encoder, justify="right")
    if second is not None:
        table.add_column(second.encoder, justify="right")
        table.add_column("difference", justify="right")
    ours = figures_of(first.ranking)
    theirs = figures_of(second.ranking) if second is not None else None
    for name, words in _TITLES.items():
        digits = 3 if name in {"ndcg_at_4", "mrr"} else 1
        cells = [f"{ours[name]:.{digits}f}"]
        if theirs is not None:
            cells += [f"{theirs[name]:.{digits}f}", f"{theirs[name] - ours[name]:+.{digits}f}"]
        table.add_row(words, *cells)
    console.print(table)
    if second is not None:
        figures = compared(first, second)
        console.print(
            f"R@10 differs by {figures['difference_r_at_10']:+.1f} points; 95 % interval"
            f" {figures['difference_r_at_10_low']:+.1f} to"
            f" {figures['difference_r_at_10_high']:+.1f} (bootstrap over the questions)"
        )
    for reason in first.unreadable[:_SHOWN_UNREADABLE]:
        console.print(f"left out: {reason}", style="yellow", markup=False)
    if len(first.unreadable) > _SHOWN_UNREADABLE:
        console.print(f"and {len(first.unreadable) - _SHOWN_UNREADABLE} more were left out")
