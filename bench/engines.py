"""Other engines beside ours: the same vectors, payload and queries, one after the other.

First each is built and saved, then each is opened and asked for the ten nearest, without and with a
filter that 2 % of the points meet: every time in a process of its own, so that memory is its own,
with one thread. Graphs have m=16 and ef_construct=200 and are searched with ef=128, as ours. An
engine whose package is missing is named and left out: pip install 'viewfinder[bench]'.

Building a million takes hours and may happen on a busy machine; asking takes minutes and must not,
nor must it be compared with what was asked at another time. Hence the folder that keeps the built.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.engine_inputs import CannotCompare, filled, held, make_inputs
from bench.engine_process import Asked, Built
from bench.figures import Figures, machine
from bench.peers import PACKAGES
from bench.synthetic import Recipe
from bench.synthetic_encoder import MakeEncoder, encoder_of

LOCAL_MODE_MOST = 100_000
Told = Callable[[str], None]


@dataclass(frozen=True)
class PeerPlan:
    """`keep`: the folder where what is built stays, and is looked for; None: nothing stays.

    `ask`: not only build. `local_mode_most`: qdrant-client's local mode is left out above.
    """

    recipe: Recipe
    queries: int
    keep: Path | None = None
    ask: bool = True
    local_mode_most: int = LOCAL_MODE_MOST


@dataclass(frozen=True)
class PeerRun:
    """By name: what building took, what asking gave (nothing when only built), who is missing."""

    recipe: Recipe
    queries: int
    built: Mapping[str, Built]
    asked: Mapping[str, Asked]
    skipped: Mapping[str, str]

    def figures(self) -> Figures:
        """Everything, flat."""
        figures: Figures = {
            "vectors": self.recipe.count,
            "dim": self.recipe.dim,
            "kind": self.recipe.kind,
            "queries": self.queries,
        }
        for of_each in (self.built, self.asked):
            for engine, row in of_each.items():
                values: dict[str, float] = asdict(row)
                figures |= {f"{engine}_{name}": round(values[name], 4) for name in values}
        figures |= {f"{name}_skipped": reason for name, reason in self.skipped.items()}
        return figures | machine()


def measure_peers(
    plan: PeerPlan,
    told: Told,
    packages: Mapping[str, str] = PACKAGES,
    make_encoder: MakeEncoder = encoder_of,
) -> PeerRun:
    """Build what is not built yet, then ask each; `told` hears what is under way.

    Raises:
        CannotCompare: the folder is for something else or in use, or an engine failed.
        EncoderProblem: no encoder makes vectors of this length.
    """
    skipped = _skipped(plan, packages)
    names = [name for name in packages if name not in skipped]
    with _root(plan.keep) as root, held(root) as lock:
        make_inputs(root, plan.recipe, plan.queries, make_encoder(plan.recipe.dim), told)
        built = {name: _built(name, root, lock, told) for name in names}
        asked = {}
        if plan.ask:
            asked = {name: _asked(name, root, plan.queries, lock, told) for name in names}
    return PeerRun(plan.recipe, plan.queries, built, asked, skipped)


def _skipped(plan: PeerPlan, packages: Mapping[str, str]) -> dict[str, str]:
    """Reasons by name."""
    reasons = {}
    for name, package in packages.items():
        if importlib.util.find_spec(package) is None:
            reasons[name] = f"{package} is not installed"
        elif name == "qdrant_local" and plan.recipe.count > plan.local_mode_most:
            reasons[name] = f"a test double, not made for more than {plan.local_mode_most:,} points"
    return reasons


@contextmanager
def _root(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="viewfinder-peers-") as folder:
        yield Path(folder)


def _built(name: str, root: Path, lock: int, told: Told) -> Built:
    place = root / f"engine-{name}"
    if not place.exists():
        told(f"building {name}")
        with filled(place) as part:
            figures = _in_a_process(name, ["build", name, str(part), str(root)], lock, told)
            (part / "built.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    try:
        return Built(**json.loads((place / "built.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CannotCompare(f"{place} is damaged, remove it: {error}") from error


def _asked(name: str, root: Path, queries: int, lock: int, told: Told) -> Asked:
    told(f"asking {name}")
    return Asked(**_in_a_process(name, ["ask", name, str(root), str(queries)], lock, told))


def _in_a_process(name: str, arguments: Sequence[str], lock: int, told: Told) -> dict[str, Any]:
    """What it measured."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.engine_process", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=(lock,),  # should we be killed, it still holds the folder while it writes
        ) as child,
    ):
        figures = ""
        try:
            for line in child.stdout or ():
                if line.startswith("{"):
                    figures = line
                else:
                    told(line.strip())
        except BaseException:
            child.kill()
            raise
        if child.wait() != 0:
            errors.seek(0)
            last = errors.read().strip().rpartition("\n")[2]
            raise CannotCompare(f"{name} failed: {last or child.returncode}")
    measured: dict[str, Any] = json.loads(figures)
    return measured
