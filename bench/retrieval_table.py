"""An evaluation as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.retrieval import Evaluation

TITLES = {
    "r_at_1": "R@1 %",
    "r_at_5": "R@5 %",
    "r_at_10": "R@10 %",
    "p_at_4": "P@4 %",
    "ndcg_at_4": "NDCG@4",
    "mrr": "MRR",
    "median_rank": "median rank",
}
_SHOWN_BROKEN = 10


def shown(name: str, value: float, sign: str = "") -> str:
    """A figure with as many digits as it deserves."""
    if name == "median_rank":
        return f"{value:{sign}g}"
    is_percent = name.startswith(("r_at_", "p_at_"))
    return f"{value:{sign}.1f}" if is_percent else f"{value:{sign}.3f}"


def show(console: Console, evaluation: Evaluation) -> None:
    """The table, what was left out, and how long it took."""
    dataset, judged = evaluation.dataset, evaluation.judged
    console.print(f"{len(dataset.queries):,} queries among {len(dataset.pictures):,} pictures")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in judged:
        table.add_column(f"{_plain(one.title)}\n[dim]{one.spec.revision}[/]", justify="right")
    if len(judged) > 1:
        table.add_column("difference", justify="right")
        table.add_column("95 % interval", justify="right")
    figures = [one.figures() for one in judged]
    for name, title in TITLES.items():
        cells = [shown(name, of_one[name]) for of_one in figures]
        if name in evaluation.differences:
            found = evaluation.differences[name]
            cells.append(f"{'[bold]' if found.is_clear else ''}{shown(name, found.value, '+')}")
            cells.append(f"{shown(name, found.low, '+')} .. {shown(name, found.high, '+')}")
        elif len(judged) > 1:
            cells.append(shown(name, figures[1][name] - figures[0][name], "+"))
        table.add_row(title, *cells)
    console.print(table)
    if len(judged) > 1:
        console.print("[dim]Bold: the interval leaves out zero.[/]")
    took = ", ".join(
        f"{_plain(one.title)} {one.images_s:.1f} s for pictures, {one.texts_s:.1f} s for texts"
        for one in judged
    )
    console.print(f"[dim]Decoding {evaluation.decoding_s:.1f} s; {took}.[/]")
    if evaluation.broken:
        console.print(f"[yellow]{len(evaluation.broken):,} pictures cannot be read, left out:[/]")
        for picture in evaluation.broken[:_SHOWN_BROKEN]:
            console.print(f"  {picture.path}: {picture.reason}", markup=False, soft_wrap=True)
        if len(evaluation.broken) > _SHOWN_BROKEN:
            console.print(f"  and {len(evaluation.broken) - _SHOWN_BROKEN:,} more")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
