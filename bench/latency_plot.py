"""Latencies as a picture: how many took how long, and the percentiles. SVG, no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

_WIDTH, _HEIGHT = 880, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 24, 56, 52
_BARS = 60
_MARKS = (50, 90, 95, 99)
_PERCENTS = (0, 25, 50, 75, 100)
_STEPS = (1, 2, 5, 10)


def write_plot(file: Path, title: str, seconds: Sequence[float], aims: Mapping[str, float]) -> None:
    """Bars: how many searches took so long. Curve: what share took at most so long. Dashed: aims,
    milliseconds by percentile name."""
    file.write_text(latency_svg(title, seconds, aims), encoding="utf-8")


def latency_svg(title: str, seconds: Sequence[float], aims: Mapping[str, float]) -> str:
    """See write_plot."""
    ms = np.sort(np.asarray(seconds)) * 1000
    # The slowest of all would push everything else into a corner.
    most = max(float(np.percentile(ms, 99.5)) * 1.15, *aims.values(), 0.001)
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    floor = _TOP + plot_height

    def x(value: float) -> float:
        return _LEFT + plot_width * min(value / most, 1)

    def y(share: float) -> float:
        return floor - plot_height * share

    counts, edges = np.histogram(np.minimum(ms, most), bins=_BARS, range=(0, most))
    highest = counts.max()
    parts = [
        f'<rect x="{x(edges[i]):.1f}" y="{y(count / highest):.1f}" width="{plot_width / _BARS:.1f}"'
        f' height="{floor - y(count / highest):.1f}" class="bar"/>'
        for i, count in enumerate(counts)
        if count
    ]
    curve = " ".join(
        f"{x(float(np.percentile(ms, percent))):.1f},{y(percent / 100):.1f}"
        for percent in np.linspace(0, 100, 201)
    )
    parts.append(f'<polyline points="{curve}" class="curve"/>')
    for percent in _PERCENTS:
        place = y(percent / 100)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place}" y2="{place}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{place + 4}" text-anchor="end">{percent} %</text>')
    for tick in _ticks(most):
        parts.append(
            f'<text x="{x(tick):.1f}" y="{floor + 18}" text-anchor="middle">{tick:g}</text>'
        )
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{floor + 40}" text-anchor="middle">milliseconds</text>')
    for name, aim in aims.items():
        parts.append(
            f'<line x1="{x(aim):.1f}" x2="{x(aim):.1f}" y1="{_TOP}" y2="{floor}" class="aim"/>'
            f'<text x="{x(aim) - 4:.1f}" y="{_TOP + 12}" text-anchor="end" class="aim-name">'
            f"aim {escape(name)}</text>"
        )
    said = ", ".join(f"P{percent} {np.percentile(ms, percent):.2f} ms" for percent in _MARKS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' width="{_WIDTH}" height="{_HEIGHT}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" class="paper"/>\n'
        f'<text x="{_LEFT}" y="22" class="title">{escape(title)}</text>\n'
        f'<text x="{_LEFT}" y="40">{said}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


_STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font:bold 14px sans-serif}.paper{fill:#fff}"
    "line{stroke:#ddd}.bar{fill:#9bb8d9}.curve{fill:none;stroke:#c2410c;stroke-width:2}"
    ".aim{stroke:#15803d;stroke-dasharray:4 3}.aim-name{fill:#15803d}"
)


def _ticks(most: float) -> list[float]:
    rough = most / 8
    base = 10 ** np.floor(np.log10(rough))
    step = next(base * factor for factor in _STEPS if base * factor >= rough)
    return [float(tick) for tick in np.arange(0, most + step / 2, step) if tick <= most]
