"""`viewfinder bench engines`: our engine in a process of its own, and what is missing by name."""

from __future__ import annotations

import pytest

from bench.engine_table import show
from bench.engines import measure_peers
from bench.peers import PACKAGES
from bench.synthetic import Recipe
from tests.bench.fake_encoder import WordEncoder


def test_our_engine_is_measured_and_missing_ones_are_named() -> None:
    from rich.console import Console

    heard: list[str] = []
    packages = {"edge": PACKAGES["edge"], "ghost": "no_such_module"}
    run = measure_peers(Recipe(1000, 16), 10, heard.append, packages, WordEncoder)
    assert heard == ["vectors", "edge"]
    assert run.skipped == {"ghost": "no_such_module is not installed"}
    figures = run.figures()
    assert float(figures["edge_recall"]) > 0.9
    assert float(figures["edge_filtered_recall"]) == 1.0
    assert float(figures["edge_build_s"]) > 0
    assert float(figures["edge_disk_mib"]) > 0
    assert figures["ghost_skipped"] == "no_such_module is not installed"
    console = Console(record=True, width=80)
    show(console, run)
    assert "ghost is left out" in console.export_text()


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "edge"])
def test_a_peer_finds_what_is_there(name: str) -> None:
    pytest.importorskip(PACKAGES[name])
    run = measure_peers(Recipe(500, 16), 5, lambda _: None, {name: PACKAGES[name]}, WordEncoder)
    assert run.rows[0].recall > 0.8
