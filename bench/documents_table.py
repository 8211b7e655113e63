"""An evaluation of documents as people read it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.documents import (
    KINDS,
    MODES,
    DocumentsEvaluation,
    mean_reciprocal_rank,
    share_within,
)


def show(console: Console, found: DocumentsEvaluation) -> None:
    """The table, how long it took, and which pages were not first in hybrid."""
    console.print(f"{found.pages} pages in {found.files} files, a question for each")
    table = Table(box=None, pad_edge=False)
    for name in ("mode", "pages", "questions", "R@1 %", "R@5 %", "MRR"):
        table.add_column(name, justify="left" if name in ("mode", "pages") else "right")
    for mode in MODES:
        for kind in (None, *KINDS):
            if answers := found.of(mode, kind):
                table.add_row(
                    "" if kind else f"[bold]{mode}",
                    kind or "all",
                    str(len(answers)),
                    f"{share_within(answers, 1):.1f}",
                    f"{share_within(answers, 5):.1f}",
                    f"{mean_reciprocal_rank(answers):.3f}",
                )
    console.print(table)
    console.print(
        f"[dim]Searchable after {found.indexed_s:.1f} s, all of it read after {found.read_s:.1f} s."
    )
    missed = [one for one in found.asked["hybrid"] if one.place != 1]
    if missed:
        console.print("Not first in hybrid:")
    for one in missed:
        asked = one.question
        where = f"place {one.place}" if one.place else "not among ten"
        console.print(
            f"  {asked.text!r}: {asked.file_name}, page {asked.page} ({asked.kind}) is {where},"
            f" {one.first} is first",
            markup=False,
            soft_wrap=True,
        )
