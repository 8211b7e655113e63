"""Workers that report late, deletions and uploads that overtake each other."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
from contextlib import suppress

import pytest

from tests.upload_service.conftest import House, jpeg
from upload_service.intake import Taken
from upload_service.jobs import Job
from upload_service.repair import remove_orphans
from upload_service.work import Outcome, Result
from viewfinder.blobs import blob_key
from viewfinder.errors import ServiceUnavailable


async def _deleted_and_sent_again(house: House) -> str:
    """`slow` still indexes the picture, `deleter` removes it, it was sent again meanwhile."""
    picture = (await house.take(jpeg())).image.id
    house.claims.claim("slow", 32, 60)
    house.catalog.mark_deleting(picture)
    assert house.claims.claim("deleter", 32, 60).to_delete == [picture]
    await house.take(jpeg())
    return picture


async def test_sent_again_it_is_embedded_again_though_a_late_worker_said_indexed(
    house: House,
) -> None:
    picture = await _deleted_and_sent_again(house)
    house.claims.report("slow", [Result(picture, Outcome.INDEXED, version=1)])
    house.claims.report("deleter", [Result(picture, Outcome.DELETED)])  # its vector is gone
    claim = house.claims.claim("next", 32, 60)
    assert [image.id for image in claim.to_index] == [picture]


async def test_a_deletion_reported_late_does_not_leave_a_picture_without_vector(
    house: House,
) -> None:
    picture = await _deleted_and_sent_again(house)
    house.clock.now += 61
    version = house.claims.claim("next", 32, 60).to_index[0].version
    house.claims.report("next", [Result(picture, Outcome.INDEXED, version=version)])
    house.claims.report("deleter", [Result(picture, Outcome.DELETED)])
    assert [image.id for image in house.claims.claim("last", 32, 60).to_index] == [picture]


async def test_a_deletion_reported_while_another_embeds_makes_it_be_embedded_again(
    house: House,
) -> None:
    picture = await _deleted_and_sent_again(house)
    house.clock.now += 61
    version = house.claims.claim("next", 32, 60).to_index[0].version
    house.claims.report("deleter", [Result(picture, Outcome.DELETED)])
    house.claims.report("next", [Result(picture, Outcome.INDEXED, version=version)])
    assert [image.id for image in house.claims.claim("last", 32, 60).to_index] == [picture]


async def test_deleted_twice_the_first_deletions_late_report_drops_nothing(house: House) -> None:
    picture = await _deleted_and_sent_again(house)
    house.clock.now += 61
    version = house.claims.claim("next", 32, 60).to_index[0].version
    house.claims.report("next", [Result(picture, Outcome.INDEXED, version=version)])
    house.catalog.mark_deleting(picture)
    house.claims.report("deleter", [Result(picture, Outcome.DELETED)])
    assert house.claims.claim("last", 32, 60).to_delete == [picture]


async def test_a_late_retry_does_not_bring_a_failed_picture_back(house: House) -> None:
    picture = (await house.take(jpeg())).image.id
    house.claims.claim("late", 32, 60)
    house.clock.now += 61
    house.claims.claim("next", 32, 60)
    house.claims.report("next", [Result(picture, Outcome.FAILED, "broken")])
    house.claims.report("late", [Result(picture, Outcome.RETRY)])
    house.clock.now += 10_000
    assert not house.claims.due()


async def test_a_repeated_claim_says_that_more_waits(house: House) -> None:
    for seed in range(3):
        await house.take(jpeg(seed))
    house.claims.claim("job", 2, 60)
    assert house.claims.claim("job", 2, 60).more


async def test_one_original_that_cannot_be_removed_keeps_no_other_report_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, dropped = [(await house.take(jpeg(seed))).image.id for seed in range(2)]
    house.catalog.mark_deleting(dropped)
    house.claims.claim("job", 32, 60)

    def stuck(key: str) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(house.claims, "_drop_blob", stuck)
    results = [Result(kept, Outcome.INDEXED, version=1), Result(dropped, Outcome.DELETED)]
    house.claims.report("job", results)
    assert house.catalog.get([kept])[0].state == "indexed"
    monkeypatch.undo()
    house.clock.now += 31
    assert house.claims.claim("next", 32, 60).to_delete == [dropped]


async def test_a_change_during_the_count_is_not_slept_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = await house.take(jpeg())
    house.claims.claim("job", 32, 60)
    monkeypatch.setattr("upload_service.jobs._LONGEST_SILENCE_S", 3600)
    get = house.jobs.get
    counted = 0

    def get_then_indexed(job_id: str) -> Job:
        nonlocal counted
        job = get(job_id)
        counted += 1
        if counted == 1:
            house.claims.report("job", [Result(picture.image.id, Outcome.INDEXED, version=1)])
            house.jobs._changes.notify()
        return job

    monkeypatch.setattr(house.jobs, "get", get_then_indexed)

    async def watch() -> list[bool]:
        return [job.done async for job in house.jobs.watch(picture.job_id)]

    assert await asyncio.wait_for(watch(), 10) == [False, True]


async def test_an_orphan_that_is_sent_while_the_sweep_runs_keeps_its_original(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = jpeg()
    temporary = house.originals.new_temporary()
    temporary.write_bytes(content)
    key = blob_key(hashlib.sha256(content).hexdigest(), "image/jpeg")
    house.originals.keep(temporary, key)
    monkeypatch.setattr("upload_service.repair._ORPHAN_AGE_S", -60)
    loop = asyncio.get_running_loop()
    delete = house.originals.delete
    sending: list[concurrent.futures.Future[Taken]] = []

    def sent_right_before_it_is_deleted(key: str) -> None:
        sending.append(asyncio.run_coroutine_threadsafe(house.take(content), loop))
        with suppress(TimeoutError):  # a sweep that excludes uploads makes this one wait
            sending[0].result(0.5)
        delete(key)

    monkeypatch.setattr(house.originals, "delete", sent_right_before_it_is_deleted)
    assert await asyncio.to_thread(remove_orphans, house.catalog, house.originals) == 1
    taken = await asyncio.wrap_future(sending[0])
    assert house.originals.exists(taken.image.blob_key)


async def test_a_watcher_does_not_hold_up_a_service_that_stops(house: House) -> None:
    taken = await house.take(jpeg())

    async def watch() -> None:
        async for _ in house.jobs.watch(taken.job_id):
            house.jobs._changes.stop()

    with pytest.raises(ServiceUnavailable):
        await asyncio.wait_for(watch(), 10)
