import asyncio

import pytest
from sqlalchemy import text

from tests.upload_service.conftest import House, jpeg
from upload_service.work import Outcome, Result
from viewfinder.errors import ImageNotFound, InvalidRequest, JobNotFound
from viewfinder.ids import new_id


async def test_pages_stay_right_while_pictures_come(house: House) -> None:
    ids = [(await house.take(jpeg(seed))).image.id for seed in range(5)]
    first = house.catalog.page(2, "", [], [])
    await house.take(jpeg(99))
    second = house.catalog.page(2, first.next_cursor, [], [])
    third = house.catalog.page(2, second.next_cursor, [], [])
    listed = [image.id for page in (first, second, third) for image in page.images]
    assert listed == ids[::-1]
    assert third.next_cursor == ""


async def test_lists_are_filtered_by_state_and_all_tags(house: House) -> None:
    both = await house.take(jpeg(1), tags=["a", "b"])
    await house.take(jpeg(2), tags=["a"])
    assert [image.id for image in house.catalog.page(10, "", [], ["a", "b"]).images] == [
        both.image.id
    ]
    assert house.catalog.page(10, "", ["stored"], ["a"]).total == 2
    assert house.catalog.page(10, "", ["failed"], []).total == 0


@pytest.mark.parametrize("cursor", ["x", "djI6NQ", "äöü", "djE6YWJj"])
async def test_a_made_up_cursor_is_refused(house: House, cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        house.catalog.page(10, cursor, [], [])


async def test_updates_of_what_is_not_there_are_refused(house: House) -> None:
    taken = await house.take(jpeg())
    house.catalog.mark_deleting(taken.image.id)
    for image_id in (taken.image.id, new_id()):
        with pytest.raises(ImageNotFound):
            house.catalog.update(image_id, ["a"], None)
        with pytest.raises(ImageNotFound):
            house.catalog.mark_deleting(image_id)


async def test_a_job_counts_its_pictures_by_state(house: House) -> None:
    job_id = new_id()
    ids = [(await house.take(jpeg(seed), job_id=job_id)).image.id for seed in range(4)]
    house.claims.claim("job", 32, 60)
    house.claims.report(
        "job",
        [
            Result(ids[0], Outcome.INDEXED, version=1),
            Result(ids[1], Outcome.FAILED, "broken"),
        ],
    )
    house.catalog.mark_deleting(ids[2])
    job = house.jobs.get(job_id)
    assert (job.total, job.stored, job.indexed, job.failed, job.gone) == (4, 1, 1, 1, 1)
    assert [(failure.image_id, failure.reason) for failure in job.failures] == [(ids[1], "broken")]
    assert not job.done


async def test_a_watcher_hears_of_changes_until_the_job_is_done(house: House) -> None:
    taken = await house.take(jpeg())
    seen = []

    async def watch() -> None:
        async for job in house.jobs.watch(taken.job_id):
            seen.append(job.indexed)

    watching = asyncio.create_task(watch())
    while not seen and not watching.done():
        await asyncio.sleep(0.01)
    house.claims.claim("job", 32, 60)
    house.claims.report("job", [Result(taken.image.id, Outcome.INDEXED, version=1)])
    house.jobs._changes.notify()
    await asyncio.wait_for(watching, 10)
    assert seen == [0, 1]


async def test_an_unknown_job_is_not_found(house: House) -> None:
    with pytest.raises(JobNotFound):
        house.jobs.get(new_id())


async def test_what_is_listed_and_claimed_uses_an_index(house: House) -> None:
    with house.catalog._engine.connect() as connection:
        for question in (
            "SELECT * FROM images WHERE work_due <= 5 ORDER BY work_due, seq LIMIT 33",
            "SELECT * FROM images WHERE claim_id = 'x' AND work_due IS NOT NULL",
            "SELECT * FROM images WHERE seq < 5 AND state != 'deleting' ORDER BY seq DESC LIMIT 9",
        ):
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {question}")).all()
            assert "SCAN images" not in " ".join(str(line) for line in plan), plan
