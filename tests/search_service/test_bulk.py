"""Bulk loading: a service opens what was loaded, graph and all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from search_service.bulk import BulkLoader
from search_service.edge_host import HostedShard
from search_service.index_folder import FolderLock, open_collections
from search_service.vector_index import IndexQuery, IndexUnusable
from tests.search_service.points import BUILD_ABOVE, FREE, SPEC, some_points


@pytest.mark.parametrize("built", [False, True])
async def test_a_service_answers_from_what_was_loaded(tmp_path: Path, built: bool) -> None:
    points, vectors = some_points(500)
    with BulkLoader(tmp_path / "index", SPEC, FREE) as loader:
        loader.add(points[:300], vectors[:300])
        loader.add(points[300:], vectors[300:])
        if built:
            loader.build()
    collections = open_collections(tmp_path / "index", FREE, BUILD_ABOVE)
    hits, _ = await collections.active.search(SPEC, IndexQuery(vectors[400], 3))
    assert hits[0].id == points[400].id
    state = await collections.active.state()
    assert (state.info.points, state.info.indexed, state.spec) == (500, built, SPEC)
    assert isinstance(collections.active._index._shard, HostedShard) is built  # type: ignore[attr-defined]
    await collections.close()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "index")
    with pytest.raises(IndexUnusable, match="in use"):
        BulkLoader(tmp_path / "index", SPEC, FREE)
    lock.release()


def test_vectors_of_another_encoder_are_refused(tmp_path: Path) -> None:
    with BulkLoader(tmp_path / "index", SPEC, FREE) as loader:
        loader.add(*some_points(1))
    with pytest.raises(IndexUnusable, match="other@r2"):
        BulkLoader(tmp_path / "index", dataclasses.replace(SPEC, name="other", revision="r2"))
    with BulkLoader(tmp_path / "index", SPEC, FREE) as loader:
        assert loader.count() == 1
