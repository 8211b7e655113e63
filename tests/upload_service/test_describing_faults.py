"""What cannot be described, models that are away or refuse, and workers that are killed."""

from __future__ import annotations

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.describing_steps import (
    ask,
    claim,
    describe,
    describe_later,
    index,
    progress,
    report,
    shown,
)
from upload_service.description_requests import Wish
from upload_service.work import Outcome


async def test_a_model_that_is_away_is_tried_later_and_never_gives_up(house: House) -> None:
    await house.take(jpeg())
    index(house)
    ask(house)
    waits = []
    (row,) = claim(house).to_describe
    for _ in range(16):
        report(house, row, Outcome.RETRY)
        assert progress(house).held_up == "why"
        before = house.clock.now
        while not (again := claim(house).to_describe):
            assert house.clock.now < before + 601
            house.clock.now += 0.5 if house.clock.now < before + 5 else 20
        (row,) = again
        waits.append(house.clock.now - before)
    assert 0.5 <= waits[0] <= 1
    assert waits[-1] >= 300
    report(house, row)
    now = progress(house)
    assert (now.described, now.failed, now.held_up) == (1, 0, "")


async def test_what_no_model_can_describe_has_a_reason_and_stays_in_the_index(house: House) -> None:
    picture = (await house.take(jpeg(), name="odd.jpg")).image
    index(house)
    ask(house)
    report(house, claim(house).to_describe[0], Outcome.FAILED)
    now = progress(house)
    assert (now.waiting, now.failed) == (0, 1)
    assert [(one.image_id, one.file_name, one.reason) for one in now.failures] == [
        (picture.id, "odd.jpg", "why")
    ]
    assert house.catalog.get([picture.id])[0].state == "indexed"
    assert ask(house).asked == 1  # asked again, it is tried again


def refuse(house: House, times: int, model: str = "looker") -> None:
    """The only picture that waits."""
    for _ in range(times):
        while not (claimed := claim(house).to_describe):
            house.clock.now += 0.5
        report(house, claimed[0], Outcome.REFUSED, model=model)


async def test_what_a_server_refuses_again_and_again_has_failed_with_its_words(
    house: House,
) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    refuse(house, 2)
    now = progress(house)
    assert (now.waiting, now.failed, now.held_up) == (1, 0, "")
    refuse(house, 1)
    now = progress(house)
    assert (now.waiting, now.failed) == (0, 1)
    assert [(one.image_id, one.reason) for one in now.failures] == [(picture.id, "why")]


async def test_refusals_of_another_model_do_not_count(house: House) -> None:
    await house.take(jpeg())
    index(house)
    ask(house)
    refuse(house, 2, "looker")
    refuse(house, 2, "newer")
    assert progress(house).waiting == 1
    refuse(house, 1, "newer")
    assert progress(house).failed == 1


async def test_a_description_ends_the_counting_of_refusals(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    refuse(house, 2)
    describe_later(house)
    ask(house, Wish(ids=[picture.id], again=True))
    refuse(house, 2)
    assert progress(house).waiting == 1


async def test_what_failed_is_tried_again_only_when_that_is_asked_for(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    refuse(house, 3)
    plain = ask(house, Wish(all=True, model="looker"))
    assert (plain.asked, plain.failed, plain.described) == (0, 1, 0)
    for wish in (
        Wish(all=True, model="looker", failed=True, dry_run=True),
        Wish(all=True, model="looker", again=True, dry_run=True),
        Wish(ids=[picture.id], model="looker", dry_run=True),
        Wish(all=True, model="newer", dry_run=True),
    ):
        counted = ask(house, wish)
        assert (counted.asked, counted.failed) == (1, 0), wish
    assert ask(house, Wish(all=True, model="looker", failed=True)).asked == 1
    assert progress(house).failed == 0
    refuse(house, 3)
    assert progress(house).failed == 1


async def test_only_what_failed_is_meant_by_failed(house: House) -> None:
    await house.take(jpeg(0))
    index(house)
    ask(house)
    refuse(house, 3)
    await house.take(jpeg(1))
    index(house)
    assert ask(house, Wish(all=True, failed=True, model="looker")).asked == 1


async def test_an_old_description_stays_when_a_new_one_is_refused(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    describe(house)
    ask(house, Wish(all=True, other_model=True, model="newer"))
    refuse(house, 3, "newer")
    assert shown(house, picture.id) is not None
    assert ask(house, Wish(all=True, model="newer")).described == 1
    assert ask(house, Wish(all=True, other_model=True, model="newer")).asked == 0
    assert ask(house, Wish(all=True, other_model=True, model="third", dry_run=True)).asked == 1
    assert ask(house, Wish(all=True, failed=True, model="newer")).asked == 1


async def test_a_describer_that_was_killed_gets_back_what_it_had(house: House) -> None:
    for seed in range(3):
        await house.take(jpeg(seed))
    index(house)
    ask(house)
    first = {row.id for row in claim(house, limit=2).to_describe}
    rest = [row.id for row in claim(house, *first, limit=2).to_describe]
    assert len(rest) == 1
    assert claim(house, *first, *rest).to_describe == []
    restarted = claim(house, limit=4)  # has nothing in hand
    assert {row.id for row in restarted.to_describe} == {*first, *rest}
    assert claim(house, name="describer-1").to_describe == []
    house.clock.now += 301
    assert claim(house, name="describer-1").to_describe


async def test_a_report_of_a_claim_that_was_lost_is_ignored(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    (row,) = claim(house).to_describe
    house.clock.now += 301
    claim(house, name="describer-1")
    report(house, row)
    assert shown(house, picture.id) is None
    report(house, row, name="describer-1")
    assert shown(house, picture.id) is not None


async def test_what_kills_its_workers_is_given_up(house: House) -> None:
    bad = (await house.take(jpeg(0))).image
    good = (await house.take(jpeg(1))).image
    index(house)
    ask(house)
    for _ in range(12):
        for row in claim(house).to_describe:
            if row.id == bad.id:
                break
            report(house, row)
        house.clock.now += 301
    assert shown(house, good.id) is not None
    (failure,) = progress(house).failures
    assert failure.image_id == bad.id
    assert "died" in failure.reason
