"""Measured figures: a flat object of names and numbers, as a table or as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

Figures = dict[str, float | int | str]


def summary(name: str, seconds: Sequence[float]) -> Figures:
    """Percentiles of durations, in milliseconds, under `name`_p50_ms and so on."""
    ms = np.asarray(seconds) * 1000
    return {
        f"{name}_p50_ms": round(float(np.percentile(ms, 50)), 3),
        f"{name}_p90_ms": round(float(np.percentile(ms, 90)), 3),
        f"{name}_p95_ms": round(float(np.percentile(ms, 95)), 3),
        f"{name}_p99_ms": round(float(np.percentile(ms, 99)), 3),
        f"{name}_min_ms": round(float(ms.min()), 3),
        f"{name}_max_ms": round(float(ms.max()), 3),
        f"{name}_mean_ms": round(float(ms.mean()), 3),
        f"{name}_stddev_ms": round(float(ms.std()), 3),
    }


def machine() -> Figures:
    """What it was measured on."""
    return {
        "cores": os.cpu_count() or 0,
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def report(title: str, figures: Mapping[str, float | int | str], json_file: Path | None) -> None:
    """Show the figures, and write them to `json_file` when there is one."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int | float) else value)
    Console().print(table)
    if json_file is not None:
        write_json(figures, json_file)


def write_json(figures: Mapping[str, float | int | str], file: Path) -> None:
    """One flat object, so that others can check it."""
    file.write_text(
        json.dumps(dict(figures), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
