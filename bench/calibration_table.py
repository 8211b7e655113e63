"""What a calibration is worth, as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.calibration_figures import (
    CUT,
    Cut,
    Honesty,
    best_cosine,
    by_calibration,
    by_cosine,
    by_z_score,
    cut_at,
    honesty,
)
from bench.calibration_queries import Judgements
from bench.figures import Figures, machine
from viewfinder.calibration import Calibration


@dataclass(frozen=True)
class Worth:
    """One sort of query, held out: the calibration, and what there is to compare with."""

    title: str
    queries: int
    pictures: int
    shipped: Honesty
    cosine: Honesty
    z_score: Honesty
    cosine_cut: Cut
    cut_cosine: float


def worth(
    calibration: Calibration,
    folds: Sequence[tuple[Judgements, Judgements]],
    held_out: Sequence[Judgements],
) -> list[Worth]:
    """Measured on `held_out`; what it is compared with is fitted on `folds`."""
    fitted_on = [fold for pair in folds for fold in pair]
    rate = calibration.base_rate
    plain = by_cosine(fitted_on, rate)
    cuts = {
        kind: best_cosine([one for one in fitted_on if one.kind == kind], rate)
        for kind in {one.kind for one in fitted_on}
    }
    return [
        Worth(
            one.title,
            len(one.queries),
            len(one.pictures),
            honesty(one, by_calibration(calibration), rate),
            honesty(one, plain, rate),
            honesty(one, by_z_score(calibration), rate),
            cut_at(one, one.cosines() >= cuts[one.kind], rate),
            cuts[one.kind],
        )
        for one in held_out
    ]


def show(console: Console, calibration: Calibration, found: Sequence[Worth]) -> None:
    """Three tables: how honest, what a cut-off does, and what was said against what was so."""
    console.print(
        f"Relevance of {calibration.encoder}: the probability that a picture fits, where"
        f" {calibration.base_rate:.0%} of all pictures fit. Held-out queries and pictures."
    )
    table = _table("queries", "", "", "Brier %", "calibration error %", "log loss %")
    for one in found:
        ways = ("shipped", one.shipped), ("cosine", one.cosine), ("z-score", one.z_score)
        for number, (way, of) in enumerate(ways):
            first = (one.title, f"{one.queries:,}") if number == 0 else ("", "")
            table.add_row(*first, way, f"{of.brier:.3f}", f"{of.ece:.2f}", f"{of.log_loss:.2f}")
    console.print(table)
    table = _table(
        f"cut at relevance {CUT}", "precision", "recall", "false of 1,000", "of 9 queries in 10",
        "best cosine", "precision", "recall", "false of 1,000", "of 9 queries in 10",
    )  # fmt: skip
    for one in found:
        table.add_row(
            one.title, *_cells(one.shipped.cut), f"{one.cut_cosine:.3f}", *_cells(one.cosine_cut)
        )
    console.print(table)
    table = _table("said -> was so", *(f"{b.low:g}-{b.high:g}" for b in found[0].shipped.bins))
    for one in found:
        table.add_row(one.title, *(f"{b.said:.2f}->{b.was:.2f}" for b in one.shipped.bins))
    console.print(table)


def figures(calibration: Calibration, found: Sequence[Worth]) -> Figures:
    """Flat; names begin with the sort of query."""
    flat: Figures = {
        "encoder": calibration.encoder,
        "revision": calibration.revision,
        "base_rate": calibration.base_rate,
    }
    for one in found:
        prefix = "_".join(one.title.replace(":", "").split())
        flat[f"{prefix}_queries"] = one.queries
        flat[f"{prefix}_cut_cosine"] = round(one.cut_cosine, 3)
        ways = {"": one.shipped, "_by_cosine": one.cosine, "_by_z_score": one.z_score}
        for way, of in ways.items():
            for name in ("brier", "ece", "log_loss"):
                flat[f"{prefix}{way}_{name}"] = round(getattr(of, name), 4)
        for way, cut in {"": one.shipped.cut, "_by_best_cosine": one.cosine_cut}.items():
            for name in ("precision", "recall", "false_per_1000", "false_per_1000_p90"):
                flat[f"{prefix}{way}_cut_{name}"] = round(getattr(cut, name), 4)
    return flat | machine()


def _cells(cut: Cut) -> tuple[str, ...]:
    return (
        f"{cut.precision:.2f}",
        f"{cut.recall:.2f}",
        f"{cut.false_per_1000:.1f}",
        f"{cut.false_per_1000_p90:.1f}",
    )


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    return table
