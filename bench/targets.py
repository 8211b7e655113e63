"""What a measurement must reach, as `--target p95=20,p99=50` says it."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAMES = ("p50", "p90", "p95", "p99", "mean", "max")
_NUMBER = re.compile(r"\d+(\.\d+)?")


def parse_targets(text: str) -> dict[str, float]:
    """Milliseconds by name. Raises ValueError, its text for whoever wrote it."""
    targets = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, value = part.partition("=")
        if name not in NAMES or not _NUMBER.fullmatch(value) or not float(value) > 0:
            raise ValueError(
                f"{part!r} is no target; write NAME=MILLISECONDS with {', '.join(NAMES)}"
            )
        targets[name] = float(value)
    return targets


def missed(
    targets: Mapping[str, float], figures: Mapping[str, float | int | str], of: str = "search"
) -> list[str]:
    """A line for each that was not reached; `figures` as SearchRun tells them."""
    return [
        f"{name} is {found} ms, the target {target:g} ms"
        for name, target in targets.items()
        if float(found := figures[f"{of}_{name}_ms"]) > target
    ]
