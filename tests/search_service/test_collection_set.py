"""Collections of several encoders: filled beside the active one, switched to, dropped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search_service.collection_set import CollectionSet
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexQuery, IndexUnusable
from tests.search_service.points import DIM, SPEC, ids_of, point, some_points
from viewfinder.errors import EncoderMismatch, InvalidRequest

NEXT = dataclasses.replace(SPEC, name="next", revision="r2", dim=2 * DIM)


async def fill(collections: CollectionSet, spec: EncoderSpec, count: int) -> None:
    points, vectors = some_points(count)
    wide = np.hstack([vectors] * (spec.dim // DIM))
    await collections.upsert(spec, points, wide, beside=collections.active.spec is not None)


async def found(collections: CollectionSet, spec: EncoderSpec) -> list[int]:
    vector = np.hstack([some_points(1)[1][0]] * (spec.dim // DIM))
    hits, _ = await collections.active.search(spec, IndexQuery(vector, 100))
    return ids_of(hits)


async def test_another_encoders_vectors_lie_beside_and_change_no_answer(
    collections: CollectionSet,
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 5)
    assert len(await found(collections, SPEC)) == 3
    assert [(s.spec, s.info.points) for s in await collections.states()] == [(SPEC, 3), (NEXT, 5)]


async def test_not_asked_to_lie_beside_they_are_refused(collections: CollectionSet) -> None:
    await fill(collections, SPEC, 3)
    points, vectors = some_points(3)
    with pytest.raises(EncoderMismatch):
        await collections.upsert(NEXT, points, np.hstack([vectors, vectors]), beside=False)


async def test_after_a_switch_the_other_one_answers_also_after_a_restart(
    open_all: Callable[[], CollectionSet],
) -> None:
    collections = open_all()
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 5)
    await collections.switch(NEXT)
    assert len(await found(collections, NEXT)) == 5
    await collections.close()
    again = open_all()
    assert len(await found(again, NEXT)) == 5
    assert [one.spec for one in again.others] == [SPEC]
    await again.close()


async def test_a_switch_bumps_the_epoch_so_that_cached_answers_are_let_go(
    collections: CollectionSet,
) -> None:
    await fill(collections, SPEC, 1)
    await fill(collections, NEXT, 1)
    before = (await collections.active.state()).epoch
    assert await collections.switch(NEXT) > before


async def test_switching_twice_is_switching_once(collections: CollectionSet) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    await collections.switch(NEXT)
    await collections.switch(NEXT)
    assert collections.active.spec == NEXT


async def test_an_encoder_that_has_met_no_picture_can_answer_too(
    collections: CollectionSet,
) -> None:
    await fill(collections, SPEC, 3)
    await collections.switch(NEXT)
    assert await found(collections, NEXT) == []


async def test_deletions_and_payloads_reach_all_collections(collections: CollectionSet) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    await collections.delete([point(1).id])
    await collections.set_payload([point(2, file_name="new.jpg")])
    await collections.switch(NEXT)
    vector = np.hstack([some_points(1)[1][0]] * 2)
    hits, _ = await collections.active.search(NEXT, IndexQuery(vector, 100))
    assert {hit.id.int: hit.payload["file_name"] for hit in hits} == {2: "new.jpg", 3: "3.jpg"}


async def test_a_dropped_collection_is_gone_from_the_disk(
    collections: CollectionSet, tmp_path: Path
) -> None:
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)
    await collections.drop(NEXT)
    assert list((tmp_path / "index" / "beside").iterdir()) == []
    await collections.drop(NEXT)  # what is not there is passed over
    assert len(await found(collections, SPEC)) == 3


async def test_the_first_collection_can_be_dropped_once_another_answers(
    open_all: Callable[[], CollectionSet], tmp_path: Path
) -> None:
    collections = open_all()
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 4)
    await collections.switch(NEXT)
    await collections.drop(SPEC)
    assert not (tmp_path / "index" / "edge").exists()
    await collections.close()
    again = open_all()
    assert len(await found(again, NEXT)) == 4
    assert again.others == []
    await fill(again, SPEC, 2)  # and come back
    assert [one.spec for one in again.others] == [SPEC]
    await again.close()


async def test_a_collection_whose_making_was_killed_half_way_is_made_whole(
    open_all: Callable[[], CollectionSet], tmp_path: Path
) -> None:
    collections = open_all()
    await fill(collections, SPEC, 3)
    await collections.upsert(NEXT, [], np.zeros((0, NEXT.dim), np.float32), beside=True)
    await collections.close()
    [binding] = (tmp_path / "index" / "beside").glob("*/encoder.json")
    binding.unlink()  # the vectors' files are made first
    again = open_all()
    await fill(again, NEXT, 4)
    await again.switch(NEXT)
    assert len(await found(again, NEXT)) == 4
    await again.close()


async def test_a_drop_that_was_killed_half_way_is_finished_at_the_next_start(
    open_all: Callable[[], CollectionSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections = open_all()
    await fill(collections, SPEC, 3)
    await fill(collections, NEXT, 3)

    def killed(path: Path, ignore_errors: bool = False) -> None:
        for file in sorted(path.rglob("*.json")) if path.exists() else []:
            file.unlink()  # some are gone, then nothing more

    with monkeypatch.context() as patched:
        patched.setattr("search_service.collection_set.shutil.rmtree", killed)
        await collections.drop(NEXT)
    await collections.close()
    again = open_all()
    assert len(await found(again, SPEC)) == 3
    assert again.others == []
    assert not list((tmp_path / "index").glob("going-*"))
    await fill(again, NEXT, 2)
    await again.close()


async def test_the_active_collection_cannot_be_dropped(collections: CollectionSet) -> None:
    await fill(collections, SPEC, 3)
    with pytest.raises(InvalidRequest):
        await collections.drop(SPEC)


async def test_a_pointer_to_a_collection_that_is_not_there_stops_the_start(
    open_all: Callable[[], CollectionSet], tmp_path: Path
) -> None:
    (tmp_path / "index").mkdir(exist_ok=True)
    (tmp_path / "index" / "active.json").write_text('{"slot": "nowhere"}')
    with pytest.raises(IndexUnusable, match="nowhere"):
        open_all()
