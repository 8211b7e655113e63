"""`viewfinder bench recall`: a small synthetic index, asked with and without its graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.recall import NothingToMeasure, RecallPlan, measure_recall
from bench.simulate import Listener, simulate
from bench.synthetic import Recipe, share_filter
from search_service.engine_options import EngineOptions
from search_service.index_folder import FolderLock
from search_service.vector_index import IndexUnusable
from tests.bench.fake_encoder import WordEncoder

DIM = 16
OPTIONS = EngineOptions(scan_points=10, min_free_bytes=0)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    listener = Listener(lambda _: None, lambda _: None)
    simulate(folder, Recipe(2000, DIM), OPTIONS, listener, graph=True, make_encoder=WordEncoder)
    return folder


def test_recall_is_measured_of_texts_and_vectors_by_filter_and_ef(filled: Path) -> None:
    plan = RecallPlan(20, (16, 128), {"off": {}, "50": share_filter(50)})
    run = measure_recall(filled, plan, OPTIONS, WordEncoder(DIM).embed_texts)
    assert run.graph
    assert run.points == 2000
    assert {(row.source, row.filter_name, row.ef) for row in run.rows} == {
        (source, name, ef)
        for source in ("text", "vector")
        for name in ("off", "50")
        for ef in (0, 16, 128)
    }
    assert run.lowest(128) > 0.9
    figures = run.figures()
    assert 0 <= float(figures["text_filter_off_ef16_recall_min"]) <= 1
    assert "vector_filter_50_ef128_recall_at_10" in figures
    assert "text_filter_off_exact_p95_ms" in figures


def test_a_filter_that_nothing_meets_has_no_recall(filled: Path) -> None:
    plan = RecallPlan(2, (16,), {"none": {"category": "nowhere"}})
    run = measure_recall(filled, plan, OPTIONS, WordEncoder(DIM).embed_texts)
    assert [row.recall for row in run.rows if row.ef] == [None, None]


def test_a_folder_that_a_service_runs_on_is_refused(filled: Path) -> None:
    lock = FolderLock(filled / "index")
    try:
        with pytest.raises(IndexUnusable, match="in use"):
            measure_recall(filled, RecallPlan(2), OPTIONS, WordEncoder(DIM).embed_texts)
    finally:
        lock.release()


def test_an_empty_folder_has_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(NothingToMeasure):
        measure_recall(tmp_path, RecallPlan(2), OPTIONS, WordEncoder(DIM).embed_texts)
