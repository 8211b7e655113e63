"""A synthetic collection in a data folder."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bench.simulate import CannotSimulate, Listener, encoder_name, read_note, simulate
from bench.synthetic import Recipe
from search_service.bulk import BulkLoader
from search_service.edge_shard import EdgeShard
from search_service.encoder_binding import EncoderBinding
from search_service.engine_options import EngineOptions
from search_service.index_folder import FolderLock
from search_service.vector_index import IndexQuery, IndexUnusable
from search_service.words import Bm25Words
from tests.bench.fake_encoder import WordEncoder

RECIPE = Recipe(300, 16)
OPTIONS = EngineOptions(min_free_bytes=0)


def fill(folder: Path, recipe: Recipe = RECIPE, *, graph: bool = False) -> list[int]:
    told: list[int] = []
    listener = Listener(told.append, lambda _: None)
    simulate(folder, recipe, OPTIONS, listener, graph=graph, make_encoder=WordEncoder)
    return told


def count(folder: Path) -> int:
    spec = EncoderBinding(folder / "index" / "encoder.json").spec
    assert spec is not None
    with BulkLoader(folder / "index", spec, OPTIONS) as loader:
        return loader.count()


def test_the_index_holds_the_points_and_names_their_encoder(tmp_path: Path) -> None:
    assert fill(tmp_path) == [300]
    assert count(tmp_path) == 300
    assert read_note(tmp_path) == RECIPE
    assert encoder_name(tmp_path) == "words"


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    fill(tmp_path)
    assert count(tmp_path) == 300


def test_another_collection_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(CannotSimulate, match="not what is wanted now"):
        fill(tmp_path, Recipe(400, 16))


def test_a_folder_with_an_index_of_something_else_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "simulated.json").unlink()
    with pytest.raises(CannotSimulate, match="holds an index already"):
        fill(tmp_path)
    assert encoder_name(tmp_path) == ""


def test_a_folder_with_pictures_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "catalogue").mkdir()
    catalogue = sqlite3.connect(tmp_path / "catalogue" / "catalogue.sqlite")
    catalogue.execute("CREATE TABLE images (id TEXT)")
    catalogue.execute("INSERT INTO images VALUES ('a')")
    catalogue.commit()
    catalogue.close()
    with pytest.raises(CannotSimulate, match="holds 1 pictures"):
        fill(tmp_path)
    assert not (tmp_path / "index").exists()


def test_a_folder_that_a_service_runs_on_is_refused(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "index")
    try:
        with pytest.raises(IndexUnusable, match="in use"):
            fill(tmp_path)
    finally:
        lock.release()


@pytest.mark.parametrize("words", [True, False])
def test_points_are_found_by_their_words_where_these_are_wanted(
    tmp_path: Path, words: bool
) -> None:
    fill(tmp_path, replace(RECIPE, words=words))
    asked = Bm25Words().of_query("00000007")  # of one file name
    assert asked is not None
    shard = EdgeShard(tmp_path / "index" / "edge" / "0", OPTIONS)
    hits = shard.search(IndexQuery(None, 10, words=asked.vector))
    shard.close()
    assert ["00000007" in hit.payload["file_name"] for hit in hits] == [True] * words


def test_a_note_of_before_words_were_made_says_that_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "simulated.json").write_text('{"count": 3, "dim": 4, "kind": "uniform", "seed": 5}')
    assert read_note(tmp_path) == Recipe(3, 4, "uniform", 5, words=False)


def test_the_graph_is_built_when_it_is_wanted(tmp_path: Path) -> None:
    fill(tmp_path, graph=True)
    assert count(tmp_path) == 300
    generation = next((tmp_path / "index" / "edge").glob("*.json"))
    assert "300" in generation.read_text()
