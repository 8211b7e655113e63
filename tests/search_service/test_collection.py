"""The collection: one encoder, an epoch that grows, durable writes, a loop that stays alive."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search_service.collection import Collection
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import (
    IndexQuery,
    IndexUnusable,
)
from tests.search_service.points import DIM, SPEC, ids_of, point, some_points
from viewfinder.errors import EncoderMismatch, InvalidRequest

OTHER = dataclasses.replace(SPEC, name="other", revision="r2")


async def search_all(collection: Collection, spec: EncoderSpec = SPEC) -> list[int]:
    vector = some_points(1)[1][0]
    hits, _ = await collection.search(spec, IndexQuery(vector, 100))
    return ids_of(hits)


async def test_another_encoder_is_refused_naming_both(collection: Collection) -> None:
    await collection.upsert(SPEC, *some_points(3))
    with pytest.raises(EncoderMismatch) as caught:
        await collection.upsert(OTHER, *some_points(3))
    assert "histogram@r1" in caught.value.message
    assert "other@r2" in caught.value.message
    with pytest.raises(EncoderMismatch):
        await search_all(collection, OTHER)
    assert len(await search_all(collection)) == 3


async def test_the_binding_outlives_the_process(open_one: Callable[[], Collection]) -> None:
    first = open_one()
    await first.upsert(SPEC, *some_points(3))
    await first.close()
    second = open_one()
    with pytest.raises(EncoderMismatch):
        await second.upsert(OTHER, *some_points(3))
    await second.close()


async def test_an_emptied_index_takes_another_encoder(collection: Collection) -> None:
    points, vectors = some_points(3)
    await collection.upsert(SPEC, points, vectors)
    await collection.delete([point.id for point in points])
    wider = dataclasses.replace(OTHER, dim=DIM * 2)
    await collection.upsert(wider, points, np.hstack([vectors, vectors]))
    assert (await collection.state()).spec == wider


async def test_an_empty_index_answers_any_encoder_with_nothing(collection: Collection) -> None:
    assert await search_all(collection) == []
    await collection.prepare(SPEC)
    assert await search_all(collection, OTHER) == []


async def test_vectors_without_their_binding_are_refused(
    open_one: Callable[[], Collection], tmp_path: Path
) -> None:
    first = open_one()
    await first.upsert(SPEC, *some_points(3))
    await first.close()
    (tmp_path / "index" / "encoder.json").unlink()
    with pytest.raises(IndexUnusable, match=r"encoder\.json"):
        open_one()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 0.0])
async def test_vectors_that_are_no_direction_are_refused(
    collection: Collection, wrong: float
) -> None:
    points, vectors = some_points(3)
    vectors[1] = 0
    vectors[1, 4] = wrong
    with pytest.raises(InvalidRequest) as caught:
        await collection.upsert(SPEC, points, vectors)
    assert caught.value.field == "vectors[1]"
    assert (await collection.state()).info.points == 0


async def test_vectors_of_another_length_are_refused(collection: Collection) -> None:
    points, vectors = some_points(3)
    with pytest.raises(InvalidRequest):
        await collection.upsert(SPEC, points, vectors[:, :-1])
    with pytest.raises(InvalidRequest):
        await collection.upsert(SPEC, points, vectors[:2])


async def test_the_epoch_grows_with_every_write_and_across_restarts(
    open_one: Callable[[], Collection],
) -> None:
    points, vectors = some_points(3)
    first = open_one()
    epochs = [
        (await first.state()).epoch,
        await first.upsert(SPEC, points, vectors),
        await first.upsert(SPEC, points, vectors),
        await first.set_payload([point(1, tags=["x"])]),
        await first.delete([points[0].id]),
    ]
    await first.close()
    second = open_one()
    epochs += [await second.delete([points[1].id]), (await second.state()).epoch + 1]
    await second.close()
    assert epochs == sorted(set(epochs))


async def test_a_search_changes_no_epoch(collection: Collection) -> None:
    await collection.upsert(SPEC, *some_points(3))
    before = (await collection.state()).epoch
    await search_all(collection)
    assert (await collection.state()).epoch == before
