"""A shard of the embedded index against plain numpy, and what happens to its folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import qdrant_edge as edge

from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.filters import Condition, parse_filters
from search_service.vector_index import (
    IndexPoint,
    IndexQuery,
    IndexUnusable,
    ScoredPoint,
    SparseVector,
    Vector,
)
from tests.search_service.filter_cases import FILTERS, PAYLOADS
from tests.search_service.points import DIM, FREE, ids_of, point, some_points, unit
from viewfinder.errors import StorageFull

QUERY = unit(np.random.default_rng(99).standard_normal(DIM))


def find(
    index: EdgeShard,
    vector: Vector,
    limit: int,
    threshold: float | None,
    conditions: Sequence[Condition],
    without: frozenset[UUID] = frozenset(),
) -> list[ScoredPoint]:
    return index.search(IndexQuery(vector, limit, conditions, without, threshold))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeShard]:
    """Only read from: making an index costs a hundred fsyncs."""
    index = EdgeShard(tmp_path_factory.mktemp("pictures") / "edge", FREE)
    index.create(DIM)
    points, vectors = some_points(len(PAYLOADS))
    index.upsert(
        [point(p.id.int, **payload) for p, payload in zip(points, PAYLOADS, strict=True)], vectors
    )
    yield index
    index.close()


@pytest.mark.parametrize(("filters", "found"), FILTERS)
def test_filters_choose_the_pictures_they_name(
    pictures: EdgeShard, filters: dict[str, object], found: set[int]
) -> None:
    hits = find(pictures, QUERY, 10, None, parse_filters(filters))
    assert set(ids_of(hits)) == found


def test_search_is_exact_against_brute_force(index: EdgeShard) -> None:
    points, vectors = some_points(500)
    index.upsert(points, vectors * 3)  # length does not matter to a cosine
    expected = np.argsort(-(vectors @ QUERY))[:20]
    hits = find(index, QUERY, 20, None, ())
    assert ids_of(hits) == [points[row].id.int for row in expected]
    assert [hit.score for hit in hits] == pytest.approx((vectors @ QUERY)[expected], abs=1e-5)


def test_a_score_threshold_leaves_out_what_is_below(index: EdgeShard) -> None:
    points, vectors = some_points(200)
    index.upsert(points, vectors)
    hits = find(index, QUERY, 100, 0.3, ())
    assert len(hits) == int((vectors @ QUERY >= 0.3).sum()) > 0


def test_the_point_to_leave_out_is_left_out(index: EdgeShard) -> None:
    points, vectors = some_points(3)
    index.upsert(points, vectors)
    assert ids_of(find(index, vectors[0], 1, None, ())) == [1]
    assert 1 not in ids_of(find(index, vectors[0], 3, None, (), without=frozenset({points[0].id})))


def test_upserting_again_replaces_vector_and_payload(index: EdgeShard) -> None:
    points, vectors = some_points(2)
    index.upsert(points, vectors)
    index.upsert([point(1, category="new")], vectors[1:])
    assert index.count() == 2
    assert index.retrieve([UUID(int=1)])[0].vector == pytest.approx(vectors[1], abs=1e-6)
    hits = find(index, QUERY, 5, None, parse_filters({"category": "new"}))
    assert [hit.payload for hit in hits] == [{"category": "new"}]


def test_payloads_are_replaced_where_there_is_a_point(index: EdgeShard) -> None:
    points, vectors = some_points(2)
    index.upsert(points, vectors)
    changed = index.set_payload([point(7, tags=["x"]), point(1, tags=["x"]), point(2, tags=["x"])])
    assert changed == 2
    hits = find(index, QUERY, 5, None, ())
    assert [hit.payload for hit in hits] == [{"tags": ["x"]}] * 2


def test_deleted_points_are_gone_and_unknown_ids_are_passed_over(index: EdgeShard) -> None:
    points, vectors = some_points(3)
    index.upsert(points, vectors)
    index.delete([UUID(int=1), UUID(int=77)])
    assert index.count() == 2
    assert index.retrieve([UUID(int=1)]) == []


def test_an_index_that_was_never_created_is_empty(tmp_path: Path) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    assert index.dim is None
    assert find(index, QUERY, 5, None, ()) == []
    assert index.count() == 0
    index.sync()
    index.close()


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    points, vectors = some_points(100)
    index.upsert(points, vectors)
    before = find(index, QUERY, 10, None, ())
    index.close()
    again = EdgeShard(tmp_path / "edge", FREE)
    assert again.dim == DIM
    assert find(again, QUERY, 10, None, ()) == before
    again.close()


def test_leftovers_of_a_killed_optimiser_are_removed(tmp_path: Path) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    index.close()
    leftover = tmp_path / "edge" / "temp_segments" / "half"
    leftover.mkdir(parents=True)
    EdgeShard(tmp_path / "edge", FREE).close()
    assert not leftover.exists()


def test_an_interrupted_creation_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "edge.new" / "segments").mkdir(parents=True)
    (tmp_path / "edge" / "segments").mkdir(parents=True)
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    assert index.count() == 0
    index.close()


def test_a_second_process_is_refused_in_one_line(index: EdgeShard, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from search_service.edge_shard import EdgeShard;"
        "from search_service.engine_options import EngineOptions;"
        "EdgeShard(Path(sys.argv[1]), EngineOptions())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "edge")], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "in use by another process" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("pattern", ["edge_config.json", "segments/*/segment.json"])
def test_a_damaged_index_is_refused_in_one_line(tmp_path: Path, pattern: str) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    index.close()
    for file in (tmp_path / "edge").glob(pattern):
        file.write_bytes(b"{garbage")
    with pytest.raises(IndexUnusable) as caught:
        EdgeShard(tmp_path / "edge", FREE)
    assert str(tmp_path / "edge") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_refuses_writes_and_still_answers(tmp_path: Path) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    points, vectors = some_points(3)
    index.upsert(points, vectors)
    index.close()
    full = EdgeShard(tmp_path / "edge", EngineOptions(min_free_bytes=1 << 60))
    with pytest.raises(StorageFull, match="are kept free"):
        full.upsert(points, vectors)
    assert len(find(full, QUERY, 3, None, ())) == 3
    full.delete([UUID(int=1)])  # the way out of a full disk
    assert full.count() == 2
    full.close()


def test_rare_words_count_more_than_frequent_ones(tmp_path: Path) -> None:
    index = EdgeShard(tmp_path / "edge", FREE)
    index.create(DIM)
    points, vectors = some_points(50)
    words = [SparseVector((7,), (1.0,))] * 49 + [SparseVector((8,), (1.0,))]
    index.upsert(
        [IndexPoint(p.id, p.payload, w) for p, w in zip(points, words, strict=True)], vectors
    )
    hits = index.search(IndexQuery(None, 5, words=SparseVector((7, 8), (1.0, 1.0))))
    assert hits[0].id == points[49].id
    assert hits[0].score > hits[1].score
    index.close()


def test_an_index_of_before_words_were_kept_takes_them(tmp_path: Path) -> None:
    old = edge.EdgeShard.create(
        str(tmp_path / "edge"),
        edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=DIM, distance=edge.Distance.Cosine)),
    )
    old.close()
    index = EdgeShard(tmp_path / "edge", FREE)
    points, vectors = some_points(2)
    index.upsert(points[:1], vectors[:1])
    index.upsert([IndexPoint(points[1].id, {}, SparseVector((1,), (1.0,)))], vectors[1:])
    hits = index.search(IndexQuery(None, 5, words=SparseVector((1,), (1.0,))))
    assert [hit.id for hit in hits] == [points[1].id]
    index.close()


def test_values_of_a_key_are_counted_among_what_meets_the_conditions(pictures: EdgeShard) -> None:
    counts = {found.value: found.count for found in pictures.facet("tags", (), 10)}
    assert counts == {"cat": 2, "dog": 2, "pet": 1}
    dogs = parse_filters({"tags": "dog"})
    assert {f.value: f.count for f in pictures.facet("tags", dogs, 10)} == {"dog": 2, "cat": 1}


def test_scrolling_meets_every_point_once(index: EdgeShard) -> None:
    index.upsert(*some_points(25))
    seen: list[int] = []
    after: UUID | None = None
    while True:
        records, after = index.scroll(after, 10)
        seen += ids_of(records)
        if after is None:
            break
    assert seen == list(range(1, 26))


def test_an_index_of_before_a_key_was_known_gets_an_index_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    first = EdgeShard(folder, FREE)
    first.create(DIM)
    first.close()
    old = edge.EdgeShard.load(str(folder))
    old.update(edge.UpdateOperation.delete_field_index("description"))
    old.flush()
    assert "description" not in old.info().payload_schema
    old.close()
    EdgeShard(folder, FREE).close()
    again = edge.EdgeShard.load(str(folder))
    assert "description" in again.info().payload_schema
    again.close()
