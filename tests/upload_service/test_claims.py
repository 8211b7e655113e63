import asyncio

import pytest

from tests.upload_service.conftest import House, jpeg
from upload_service.claims import MAX_LOST_CLAIMS
from upload_service.work import Claim, Outcome, Result
from viewfinder.errors import InvalidRequest


async def _take(house: House, count: int) -> list[str]:
    return [(await house.take(jpeg(seed))).image.id for seed in range(count)]


def _state(house: House, image_id: str) -> str:
    (image,) = house.catalog.get([image_id])
    return image.state


async def test_a_row_is_never_given_to_two(house: House) -> None:
    await _take(house, 10)
    claims = await asyncio.gather(
        *(asyncio.to_thread(house.claims.claim, f"job-{number}", 3, 60) for number in range(4))
    )
    ids = [image.id for claim in claims for image in claim.to_index]
    assert len(ids) == len(set(ids)) == 10


async def test_the_same_claim_gets_the_same_rows_again(house: House) -> None:
    await _take(house, 3)
    first = house.claims.claim("job", 2, 60)
    again = house.claims.claim("job", 2, 60)
    assert [image.id for image in first.to_index] == [image.id for image in again.to_index]
    assert first.more


async def test_a_lease_that_ran_out_goes_to_the_next(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.claims.claim("dead", 32, 60)
    house.clock.now += 59
    assert house.claims.claim("next", 32, 60).to_index == []
    assert not house.claims.due()
    house.clock.now += 2
    assert house.claims.due()
    assert [image.id for image in house.claims.claim("next", 32, 60).to_index] == [image_id]


async def test_reported_as_indexed_nothing_more_is_due(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.claims.claim("job", 32, 60)
    assert house.claims.report("job", [Result(image_id, Outcome.INDEXED, version=1)]) == []
    assert _state(house, image_id) == "indexed"
    house.clock.now += 10_000
    assert house.claims.claim("late", 32, 60) == Claim()
    assert not house.claims.due()


async def test_a_retry_waits_longer_each_time_and_never_fails(house: House) -> None:
    (image_id,) = await _take(house, 1)
    for number in range(50):
        house.clock.now += 31
        assert len(house.claims.claim(f"job-{number}", 32, 60).to_index) == 1
        house.claims.report(f"job-{number}", [Result(image_id, Outcome.RETRY, "embedding away")])
        assert not house.claims.due()
    assert _state(house, image_id) == "stored"


async def test_a_failure_keeps_its_reason(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.claims.claim("job", 32, 60)
    house.claims.report("job", [Result(image_id, Outcome.FAILED, "truncated")])
    (image,) = house.catalog.get([image_id])
    assert (image.state, image.failure) == ("failed", "truncated")
    assert not house.claims.due()


async def test_a_picture_that_kills_its_workers_fails_and_takes_no_other_with_it(
    house: House,
) -> None:
    ids = await _take(house, 4)
    poison = ids[1]
    for number in range(100):
        house.clock.now += 61
        claim = house.claims.claim(f"job-{number}", 32, 60)
        claimed = [image.id for image in claim.to_index]
        if not claimed:
            break
        if poison in claimed:
            continue  # the worker dies and reports nothing
        house.claims.report(
            f"job-{number}", [Result(each, Outcome.INDEXED, version=1) for each in claimed]
        )
    states = {image_id: _state(house, image_id) for image_id in ids}
    assert states.pop(poison) == "failed"
    assert set(states.values()) == {"indexed"}
    assert str(MAX_LOST_CLAIMS) in house.catalog.get([poison])[0].failure


async def test_deleting_is_gone_at_once_and_dropped_after_the_report(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.catalog.mark_deleting(image_id)
    assert house.catalog.get([image_id]) == []
    assert house.claims.claim("job", 32, 60).to_delete == [image_id]
    assert len(house.files()) == 1
    house.claims.report("job", [Result(image_id, Outcome.DELETED)])
    assert house.files() == []
    assert not house.claims.due()


async def test_indexed_but_deleted_meanwhile_comes_back_as_gone(house: House) -> None:
    deleting, deleted = await _take(house, 2)
    house.claims.claim("job", 32, 60)
    house.catalog.mark_deleting(deleting)
    house.catalog.mark_deleting(deleted)
    house.claims.claim("other", 32, 60)
    house.claims.report("other", [Result(deleted, Outcome.DELETED)])
    results = [Result(each, Outcome.INDEXED, version=1) for each in (deleting, deleted)]
    assert house.claims.report("job", results) == [deleting, deleted]


async def test_uploaded_again_while_being_deleted_it_stays(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.catalog.mark_deleting(image_id)
    house.claims.claim("job", 32, 60)
    again = await house.take(jpeg(0))
    assert not again.duplicate
    house.claims.report("job", [Result(image_id, Outcome.DELETED)])
    assert [image.id for image in house.claims.claim("next", 32, 60).to_index] == [image_id]
    assert len(house.files()) == 1


async def test_uploaded_again_before_the_deletion_began_it_stays(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.catalog.mark_deleting(image_id)
    await house.take(jpeg(0))
    claim = house.claims.claim("job", 32, 60)
    assert (claim.to_delete, [image.id for image in claim.to_index]) == ([], [image_id])


async def test_new_tags_are_work_until_the_index_has_them(house: House) -> None:
    (image_id,) = await _take(house, 1)
    house.claims.claim("job", 32, 60)
    house.claims.report("job", [Result(image_id, Outcome.INDEXED, version=1)])
    house.catalog.update(image_id, ["new"], None)
    (refreshed,) = house.claims.claim("next", 32, 60).to_refresh
    house.catalog.update(image_id, ["newer"], None)  # meanwhile
    house.claims.report("next", [Result(image_id, Outcome.INDEXED, version=refreshed.version)])
    (again,) = house.claims.claim("last", 32, 60).to_refresh
    house.claims.report("last", [Result(image_id, Outcome.INDEXED, version=again.version)])
    assert not house.claims.due()


@pytest.mark.parametrize(("limit", "lease_s"), [(0, 60), (33, 60), (1, 0), (1, 3601)])
async def test_a_claim_beyond_the_limits_is_refused(
    house: House, limit: int, lease_s: float
) -> None:
    with pytest.raises(InvalidRequest):
        house.claims.claim("job", limit, lease_s)
