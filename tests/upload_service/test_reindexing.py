"""Moving to another encoder: all pictures are embedded again, none is missed, one can go back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.upload_service.conftest import House, jpeg
from upload_service.reindexing import key_of
from upload_service.work import Claim, Outcome, Result, Told
from viewfinder.errors import InvalidRequest

LEASE_S = 60


def spec(name: str, revision: str = "1") -> dict[str, Any]:
    pixels = {"size": 8, "resize_mode": "shortest", "interpolation": "bicubic"}
    return {"name": name, "revision": revision, "kind": "dense", "dim": 4, "pixels": pixels}


OLD, NEW, OTHER = spec("old"), spec("new"), spec("other")


class Worker:
    """Does what it is told to, and remembers which encoder has a vector of which picture."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.active = OLD
        self.vectors: dict[str, set[str]] = {}
        self.runs = 0

    def claim(self, claim_id: str = "", limit: int = 32) -> tuple[str, Claim]:
        self.runs += 1
        claim_id = claim_id or f"claim-{self.runs}"
        return claim_id, self.house.claims.claim(claim_id, limit, LEASE_S)

    def report(self, claim_id: str, claim: Claim) -> list[str]:
        results = []
        for image in claim.to_index:
            key = key_of(self.active)
            self.vectors.setdefault(key, set()).add(image.id)
            results.append(Result(image.id, Outcome.INDEXED, version=image.version, encoder=key))
        if claim.reindex is not None:
            key = key_of(claim.reindex.spec)
            for image in claim.reindex.images:
                self.vectors.setdefault(key, set()).add(image.id)
                results.append(
                    Result(image.id, Outcome.INDEXED, version=image.version, encoder=key)
                )
        for image in claim.to_refresh:
            results.append(Result(image.id, Outcome.INDEXED, version=image.version))
        for image_id in claim.to_delete:
            for ids in self.vectors.values():
                ids.discard(image_id)
            results.append(Result(image_id, Outcome.DELETED))
        switched = None
        if claim.switch_to is not None:
            self.active, switched = claim.switch_to, key_of(claim.switch_to)
        return self.house.claims.report(claim_id, results, Told(switched))

    def run(self) -> Claim:
        claim_id, claim = self.claim()
        self.report(claim_id, claim)
        return claim

    def run_all(self) -> None:
        while self.house.claims.due():
            self.run()

    def of(self, encoder: dict[str, Any]) -> set[str]:
        return self.vectors.get(key_of(encoder), set())


@pytest.fixture
def worker(house: House) -> Worker:
    return Worker(house)


async def library(house: House, worker: Worker, count: int) -> list[str]:
    """Ids of so many pictures, indexed with the old encoder."""
    ids = [(await house.take(jpeg(seed))).image.id for seed in range(count)]
    worker.run_all()
    return ids


async def test_all_pictures_get_a_vector_and_then_the_index_is_switched(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 40)
    assert house.reindexing.start(NEW, OLD, hold=False).state == "running"
    worker.run()
    half = house.reindexing.status()
    assert (half.state, half.done, half.total) == ("running", 32, 40)
    assert worker.active == OLD
    worker.run_all()
    assert worker.of(NEW) == set(ids)
    assert worker.active == NEW
    status = house.reindexing.status()
    assert (status.state, status.active, status.candidate, status.previous) == (
        "idle",
        NEW,
        None,
        OLD,
    )
    assert {image.state for image in house.catalog.get(ids)} == {"indexed"}


async def test_what_is_uploaded_meanwhile_is_in_both(house: House, worker: Worker) -> None:
    await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=True)
    late = (await house.take(jpeg(100))).image.id
    worker.run_all()
    assert late in worker.of(OLD)
    assert late in worker.of(NEW)


async def test_what_waited_when_the_cursor_passed_is_not_missed(
    house: House, worker: Worker
) -> None:
    await library(house, worker, 2)
    slow = (await house.take(jpeg(50))).image.id
    claim_id, claim = worker.claim()
    await house.take(jpeg(51))
    worker.run()
    house.reindexing.start(NEW, OLD, hold=False)
    worker.run()  # the cursor is now behind `slow`, which is still in somebody's hands
    assert slow not in worker.of(NEW)
    worker.report(claim_id, claim)
    worker.run_all()
    assert slow in worker.of(NEW)
    assert worker.active == NEW


async def test_uploads_come_before_the_reindex(house: House, worker: Worker) -> None:
    await library(house, worker, 2)
    house.reindexing.start(NEW, OLD, hold=False)
    new = (await house.take(jpeg(9))).image.id
    claim = worker.run()
    assert [image.id for image in claim.to_index] == [new]
    assert claim.reindex is None


async def test_a_killed_workers_pictures_go_to_the_next(house: House, worker: Worker) -> None:
    ids = await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=False)
    worker.claim()
    assert not house.claims.due()
    house.clock.now += LEASE_S + 1
    worker.run_all()
    assert worker.of(NEW) == set(ids)
    assert worker.active == NEW


async def test_the_same_claim_gets_the_same_pictures(house: House, worker: Worker) -> None:
    await library(house, worker, 40)
    house.reindexing.start(NEW, OLD, hold=False)
    _, first = worker.claim("job")
    _, again = worker.claim("job")
    assert first.reindex is not None
    assert again.reindex is not None
    assert {i.id for i in again.reindex.images} == {i.id for i in first.reindex.images}


async def test_a_picture_deleted_meanwhile_is_reported_as_gone(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 2)
    house.reindexing.start(NEW, OLD, hold=False)
    claim_id, claim = worker.claim()
    house.catalog.mark_deleting(ids[0])
    assert worker.report(claim_id, claim) == [ids[0]]
    worker.run_all()
    assert worker.active == NEW


async def test_new_tags_reach_a_vector_that_was_made_of_the_old_ones(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 1)
    house.reindexing.start(NEW, OLD, hold=True)
    claim_id, claim = worker.claim()
    house.catalog.update(ids[0], tags=["new"], metadata=None)
    assert [image.id for image in worker.run().to_refresh] == ids  # before the vector was there
    worker.report(claim_id, claim)
    assert [image.id for image in worker.run().to_refresh] == ids


async def test_a_picture_that_the_candidate_cannot_embed_is_failed_with_the_reason(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 2)
    house.reindexing.start(NEW, OLD, hold=True)
    claim_id, _ = worker.claim()
    house.claims.report(
        claim_id,
        [
            Result(ids[0], Outcome.FAILED, reason="it is torn", encoder=key_of(NEW)),
            Result(ids[1], Outcome.INDEXED, version=1, encoder=key_of(NEW)),
        ],
    )
    status = house.reindexing.status()
    assert (status.state, status.done, status.failed) == ("ready", 2, 1)
    house.reindexing.switch(back=False)
    states = {image.id: image.state for image in house.catalog.get(ids)}
    assert states == {ids[0]: "failed", ids[1]: "indexed"}


async def test_given_back_pictures_are_tried_again_later(house: House, worker: Worker) -> None:
    ids = await library(house, worker, 1)
    house.reindexing.start(NEW, OLD, hold=False)
    claim_id, _ = worker.claim()
    house.claims.report(claim_id, [Result(ids[0], Outcome.RETRY, encoder=key_of(NEW))])
    assert not house.claims.due()
    house.clock.now += 5
    worker.run_all()
    assert worker.active == NEW


async def test_held_it_waits_to_be_switched(house: House, worker: Worker) -> None:
    await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=True)
    with pytest.raises(InvalidRequest, match="too early"):
        house.reindexing.switch(back=False)
    worker.run_all()
    assert house.reindexing.status().state == "ready"
    assert worker.active == OLD
    assert house.reindexing.switch(back=False).state == "switching"
    worker.run_all()
    assert worker.active == NEW


async def test_back_at_once_and_what_came_since_is_embedded_again(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=False)
    worker.run_all()
    since = (await house.take(jpeg(70))).image.id
    worker.run_all()
    assert since not in worker.of(OLD)
    status = house.reindexing.switch(back=True)
    assert (status.active, status.previous) == (OLD, NEW)
    worker.run_all()
    assert worker.active == OLD
    assert worker.of(OLD) == {*ids, since}
    assert {image.state for image in house.catalog.get([*ids, since])} == {"indexed"}


async def test_a_report_of_the_encoder_before_does_not_count_after_the_switch(
    house: House, worker: Worker
) -> None:
    await library(house, worker, 1)
    house.reindexing.start(NEW, OLD, hold=True)
    worker.run_all()
    late = (await house.take(jpeg(30))).image.id
    claim_id, claim = worker.claim()
    house.reindexing.switch(back=False)
    worker.report(claim_id, claim)  # embedded with the old encoder
    assert house.catalog.get([late])[0].state == "stored"
    house.clock.now += 5
    worker.run_all()
    assert late in worker.of(NEW)
    assert house.catalog.get([late])[0].state == "indexed"


async def test_an_unreported_switch_is_told_again(house: House, worker: Worker) -> None:
    await library(house, worker, 1)
    house.reindexing.start(NEW, OLD, hold=True)
    worker.run_all()
    house.reindexing.switch(back=False)
    _, claim = worker.claim()  # and dies
    assert claim.switch_to == NEW
    assert house.claims.due()
    assert worker.run().switch_to == NEW
    assert worker.run().switch_to is None


async def test_cancelled_it_leaves_nothing(house: House, worker: Worker) -> None:
    await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=False)
    claim_id, claim = worker.claim()
    status = house.reindexing.forget(previous=False)
    assert (status.state, status.dropped) == ("idle", NEW)
    worker.report(claim_id, claim)
    worker.run_all()
    assert worker.active == OLD
    assert house.reindexing.start(NEW, OLD, hold=False).done == 0


async def test_a_second_reindex_is_refused_while_one_is_under_way(
    house: House, worker: Worker
) -> None:
    await library(house, worker, 1)
    house.reindexing.start(NEW, OLD, hold=False)
    assert house.reindexing.start(NEW, OLD, hold=False).candidate == NEW
    with pytest.raises(InvalidRequest, match="new@1"):
        house.reindexing.start(OTHER, OLD, hold=False)


async def test_a_third_encoder_takes_the_place_of_the_first(house: House, worker: Worker) -> None:
    ids = await library(house, worker, 2)
    house.reindexing.start(NEW, OLD, hold=False)
    worker.run_all()
    assert house.reindexing.start(OTHER, NEW, hold=False).dropped == OLD
    worker.run_all()
    assert worker.of(OTHER) == set(ids)
    status = house.reindexing.status()
    assert (status.active, status.previous) == (OTHER, NEW)


async def test_going_forward_again_embeds_only_what_is_missing(
    house: House, worker: Worker
) -> None:
    await library(house, worker, 3)
    house.reindexing.start(NEW, OLD, hold=False)
    worker.run_all()
    house.reindexing.switch(back=True)
    worker.run_all()
    late = (await house.take(jpeg(44))).image.id
    worker.run_all()
    status = house.reindexing.start(NEW, OLD, hold=False)
    assert (status.candidate, status.previous, status.done) == (NEW, None, 3)
    claim = worker.run()
    assert claim.reindex is not None
    assert [image.id for image in claim.reindex.images] == [late]


async def test_the_active_encoder_cannot_be_its_own_successor(house: House, worker: Worker) -> None:
    await library(house, worker, 1)
    with pytest.raises(InvalidRequest, match="another encoder"):
        house.reindexing.start(OLD, OLD, hold=False)


async def test_an_empty_library_is_switched_at_once(house: House, worker: Worker) -> None:
    house.reindexing.start(NEW, None, hold=False)
    worker.run_all()
    assert worker.active == NEW


async def test_a_deleted_picture_that_comes_back_is_embedded_again_for_both(
    house: House, worker: Worker
) -> None:
    ids = await library(house, worker, 2)
    house.reindexing.start(NEW, OLD, hold=True)
    worker.run_all()
    house.catalog.mark_deleting(ids[0])
    worker.run_all()
    await house.take(jpeg(0))
    worker.run_all()
    assert worker.of(OLD) == set(ids)
    assert worker.of(NEW) == set(ids)


async def test_there_is_no_way_back_without_an_encoder_before(house: House) -> None:
    with pytest.raises(InvalidRequest, match="after a switch"):
        house.reindexing.switch(back=True)
