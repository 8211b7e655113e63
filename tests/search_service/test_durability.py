"""Loss of power, simulated: of the files only what was synced is certain."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from search_service.edge_shard import EdgeShard
from tests.search_service.points import DIM, FREE, some_points


@pytest.mark.parametrize("share_written", [0.0, 0.5, 1.0])
def test_loss_of_power_loses_nothing_that_was_synced(tmp_path: Path, share_written: float) -> None:
    """The log is as it was at the last sync. Of all other files the kernel has written back some,
    the rest is as it was when the index was created."""
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    shutil.copytree(tmp_path / "edge", tmp_path / "after")
    points, vectors = some_points(200)
    index.upsert(points, vectors)
    index.upsert(points[:20], vectors[20:40])
    index.delete([point.id for point in points[190:]])
    index.sync()
    _copy_some(tmp_path / "edge", tmp_path / "after", share_written)
    index.close()

    survivor = EdgeShard(tmp_path / "after", FREE)
    assert survivor.count() == 190
    for row, point in enumerate(points[:190]):
        expected = vectors[row + 20] if row < 20 else vectors[row]
        (found,) = survivor.retrieve([point.id])
        np.testing.assert_allclose(found.vector, expected, atol=1e-6)
    survivor.close()


def _copy_some(source: Path, target: Path, share: float) -> None:
    chance = random.Random(5)
    for file in sorted(source.rglob("*")):
        relative = file.relative_to(source)
        if file.is_file() and (relative.parts[0] == "wal" or chance.random() < share):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / relative)
