"""Matrices in the embedded index: killed, built, quantised, hosted."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from search_service import edge_index
from search_service.edge_host import HostedShard
from search_service.edge_index import EdgeIndex
from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions, LateQuantisation
from search_service.late import POOLED_ROWS, pool
from search_service.vector_index import IndexPoint, IndexQuery, Vector
from tests.search_service.points import DIM, FREE, ids_of, unit
from tests.search_service.test_late_collections import pages

QUERY = unit(np.random.default_rng(8).standard_normal((6, DIM)))
NEVER = 1_000_000


def test_the_means_of_a_page_are_of_its_rows_in_their_order() -> None:
    page = unit(np.random.default_rng(1).standard_normal((80, DIM)))
    means = pool(page, 8)
    assert means.shape == (8, DIM)
    for place, part in enumerate(np.split(page, 8)):
        np.testing.assert_allclose(means[place], unit(part.mean(axis=0)), atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, POOLED_ROWS, POOLED_ROWS + 1, 700])
def test_every_page_has_means_of_length_one(rows: int) -> None:
    page = unit(np.random.default_rng(2).standard_normal((rows, DIM)))
    means = pool(page)
    assert means.shape == (min(rows, POOLED_ROWS), DIM)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, atol=1e-5)


def test_rows_that_cancel_each_other_out_still_have_a_mean() -> None:
    row = unit(np.random.default_rng(3).standard_normal(DIM))
    means = pool(np.stack([row, -row]), 1)
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, atol=1e-5)


_WRITER = """
import sys
from pathlib import Path
from uuid import UUID
import numpy as np
from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.vector_index import IndexPoint

shard = EdgeShard(Path(sys.argv[1]), EngineOptions(min_free_bytes=0))
shard.create(16, multi=True)
number = 0
while True:
    some = [IndexPoint(UUID(int=number + n + 1), {"page": number + n}) for n in range(4)]
    rows = [np.full((50, 16), n + 1, np.float32) for n in range(4)]
    shard.upsert(some, rows)
    shard.sync()
    number += 4
    print(number, flush=True)
"""


def test_pages_that_were_acknowledged_survive_kill_9(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-P", "-c", _WRITER, str(tmp_path / "edge")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 60:
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    told = writer.stdout.read().split()
    writer.wait()
    acknowledged = int(told[-1]) if told else acknowledged
    survivor = EdgeShard(tmp_path / "edge", FREE)
    assert survivor.multi
    assert survivor.count() >= acknowledged
    wanted = [UUID(int=n) for n in range(1, acknowledged + 1)]
    records = survivor.retrieve(wanted)
    assert {record.vector.shape for record in records} == {(50, 16)}
    assert len(records) == acknowledged
    hits = survivor.search(IndexQuery(np.ones((2, 16), np.float32), acknowledged))
    assert len(hits) == acknowledged
    survivor.close()


@pytest.mark.parametrize("quantisation", ["none", "binary", "int8"])
async def test_the_best_are_ranked_by_full_rows_with_and_without_a_graph(
    tmp_path: Path, quantisation: LateQuantisation
) -> None:
    options = replace(FREE, late_quantisation=quantisation, scan_points=1)
    index = EdgeIndex(tmp_path / "edge", options, NEVER)
    await index.create(128, multi=True)
    dice = np.random.default_rng(5)
    matrices = [unit(dice.standard_normal((20, 128))) for _ in range(60)]
    await index.upsert([IndexPoint(UUID(int=n + 1), {}) for n in range(60)], matrices)
    near = np.concatenate([matrices[n][:2] for n in (7, 21, 40)])
    query = IndexQuery(unit(near + 0.05 * dice.standard_normal(near.shape)), 3)
    truth = await index.search(replace(query, exact=True))
    assert set(ids_of(truth)) == {8, 22, 41}
    before = await index.search(query)
    await index.build()
    assert isinstance(index._shard, HostedShard)
    after = await index.search(query)
    assert ids_of(before) == ids_of(after) == ids_of(truth)
    scores = [hit.score for hit in truth]
    assert [hit.score for hit in before] == pytest.approx(scores, abs=1e-4)
    assert [hit.score for hit in after] == pytest.approx(scores, abs=1e-4)
    await index.close()


async def test_what_comes_while_the_graph_is_built_is_in_the_next_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = EdgeIndex(tmp_path / "edge", FREE, NEVER)
    await index.create(DIM, multi=True)
    points, matrices = pages(90)
    await index.upsert(points[:40], matrices[:40])
    run_builder = edge_index._run_builder

    async def run_and_write(folder: Path, options: EngineOptions) -> None:
        await run_builder(folder, options)
        await index.upsert(points[40:], matrices[40:])
        await index.delete([points[0].id])

    monkeypatch.setattr(edge_index, "_run_builder", run_and_write)
    await index.build()
    assert await index.count() == 89
    for record in await index.retrieve([points[1].id, points[80].id]):
        np.testing.assert_allclose(record.vector, matrices[record.id.int - 1], atol=1e-6)
    await index.close()


async def test_a_graph_is_built_for_fewer_pages_than_pictures(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "edge", FREE, build_above=POOLED_ROWS * 40)
    await index.create(DIM, multi=True)
    await index.upsert(*pages(50))
    await index.build()  # joins the one that runs
    assert (await index.info()).indexed
    assert index._generation.built == 50
    await index.close()


async def test_a_page_as_large_as_they_come_is_kept(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path / "edge", FREE, NEVER)
    await index.create(128, multi=True)
    rows: list[Vector] = [
        unit(np.random.default_rng(n).standard_normal((4096, 128))) for n in range(8)
    ]
    await index.upsert([IndexPoint(UUID(int=n + 1), {}) for n in range(8)], rows)  # 16 MiB
    [record] = await index.retrieve([UUID(int=8)])
    np.testing.assert_allclose(record.vector, rows[7], atol=1e-6)
    await index.close()
