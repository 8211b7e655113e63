"""`viewfinder bench engines`: our engine in processes of its own, and what is missing by name."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.engine_inputs import CannotCompare, held
from bench.engine_table import show
from bench.engines import PeerPlan, PeerRun, measure_peers
from bench.peers import PACKAGES
from bench.synthetic import Recipe
from tests.bench.fake_encoder import WordEncoder
from viewfinder.cli.__main__ import make_app

EDGE = {"edge": PACKAGES["edge"]}
SMALL = Recipe(500, 16)


def _measure(plan: PeerPlan, heard: list[str] | None = None) -> PeerRun:
    return measure_peers(plan, _nobody if heard is None else heard.append, EDGE, WordEncoder)


def test_our_engine_is_measured_and_missing_ones_are_named() -> None:
    heard: list[str] = []
    packages = {**EDGE, "ghost": "no_such_module"}
    run = measure_peers(PeerPlan(Recipe(1000, 16), 10), heard.append, packages, WordEncoder)
    assert heard[0] == "1,000 vectors"
    assert heard[-2:] == ["building edge: all vectors are in", "asking edge"]
    assert run.skipped == {"ghost": "no_such_module is not installed"}
    figures = run.figures()
    assert float(figures["edge_recall"]) > 0.9
    assert float(figures["edge_filtered_recall"]) == 1.0
    assert float(figures["edge_build_s"]) > 0
    assert float(figures["edge_disk_mib"]) > 0
    assert figures["ghost_skipped"] == "no_such_module is not installed"
    table = _table(run)
    assert "ghost is left out" in table
    assert "recall@10" in table


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "edge"])
def test_a_peer_finds_what_is_there(name: str) -> None:
    pytest.importorskip(PACKAGES[name])
    run = measure_peers(PeerPlan(SMALL, 5), _nobody, {name: PACKAGES[name]}, WordEncoder)
    assert run.asked[name].recall > 0.8
    assert run.asked[name].filtered_recall > 0


def test_what_was_only_built_is_asked_later_and_not_built_again(tmp_path: Path) -> None:
    only_built = _measure(PeerPlan(SMALL, 5, keep=tmp_path, ask=False))
    assert only_built.asked == {}
    assert "recall" not in _table(only_built)
    heard: list[str] = []
    run = _measure(PeerPlan(SMALL, 5, keep=tmp_path), heard)
    assert heard == ["asking edge"]
    assert run.built == only_built.built
    assert run.asked["edge"].recall > 0.9


def test_other_queries_are_asked_of_what_was_built(tmp_path: Path) -> None:
    _measure(PeerPlan(SMALL, 5, keep=tmp_path, ask=False))
    heard: list[str] = []
    run = _measure(PeerPlan(SMALL, 7, keep=tmp_path), heard)
    assert heard == ["the truth of 7 queries", "asking edge"]
    assert run.asked["edge"].recall > 0.9


def test_a_folder_of_another_recipe_is_refused_and_both_are_named(tmp_path: Path) -> None:
    _measure(PeerPlan(SMALL, 5, keep=tmp_path, ask=False))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CannotCompare, match=r"made for count 500, .* wanted is count 600, "):
        _measure(PeerPlan(Recipe(600, 16), 5, keep=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_was_half_built_is_built_again(tmp_path: Path) -> None:
    _measure(PeerPlan(SMALL, 5, keep=tmp_path, ask=False))
    # As after a kill: there is a graph, but nobody knows of how much.
    (tmp_path / "engine-edge").rename(tmp_path / "engine-edge.part")
    shutil.rmtree(tmp_path / "inputs")
    (tmp_path / "inputs.part").mkdir()
    (tmp_path / "inputs.part" / "vectors.npy").write_bytes(b"half")
    run = _measure(PeerPlan(SMALL, 5, keep=tmp_path))
    assert run.asked["edge"].recall > 0.9
    assert not list(tmp_path.glob("*.part"))


def test_an_engine_that_dies_is_named_and_not_taken_for_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "packages"
    broken.mkdir()
    (broken / "faiss.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(broken), *sys.path]))
    keep = tmp_path / "keep"
    with pytest.raises(CannotCompare, match="faiss_hnsw failed: -9"):
        measure_peers(PeerPlan(SMALL, 5, keep=keep), _nobody, {"faiss_hnsw": "bench"}, WordEncoder)
    assert not (keep / "engine-faiss_hnsw").exists()


def test_two_never_work_in_one_folder(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(CannotCompare, match="in use by another comparison"):
        _measure(PeerPlan(SMALL, 5, keep=tmp_path))


def test_the_local_mode_is_left_out_of_many_unless_wanted() -> None:
    packages = {"qdrant_local": PACKAGES["qdrant_local"]}
    plan = PeerPlan(Recipe(300, 16), 5, ask=False, local_mode_most=200)
    run = measure_peers(plan, _nobody, packages, WordEncoder)
    assert run.skipped == {"qdrant_local": "a test double, not made for more than 200 points"}


def test_building_only_needs_a_folder_that_stays() -> None:
    answer = CliRunner().invoke(make_app(), ["bench", "engines", "--build-only"])
    assert answer.exit_code == 2
    assert "--keep" in re.sub(r"\s+", " ", answer.output)


def _nobody(_: str) -> None:
    pass


def _table(run: PeerRun) -> str:
    console = Console(record=True, width=80)
    show(console, run)
    return console.export_text()
