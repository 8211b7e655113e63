"""Descriptions: asked for, claimed, reported, edited, counted."""

from __future__ import annotations

import pytest

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.pdfs import pdf
from upload_service.describing import NO_DESCRIBER, NO_WORKER, Describer, waiting
from upload_service.description_requests import Counted, DescriptionRequests, Progress, Wish
from upload_service.descriptions import Described
from upload_service.tables import Image
from upload_service.work import Claim, Offer, Outcome, Result
from viewfinder.errors import InvalidRequest, PageOfDocument

SHOWN = Described("A red square", ("square",), "EXIT", ("red",), "indoors", "looker")
EVERYTHING = Wish(all=True)


def requests(house: House) -> DescriptionRequests:
    return DescriptionRequests(house.writer, house.claims.describing, house.clock)


def ask(house: House, wish: Wish = EVERYTHING) -> Counted:
    return requests(house).request(wish)


def progress(house: House) -> Progress:
    return requests(house).progress("looker")


def index(house: House, *, fails: bool = False) -> list[Image]:
    """Everything that waits."""
    rows: list[Image] = []
    outcome = Outcome.FAILED if fails else Outcome.INDEXED
    while claimed := house.claims.claim("index", 32, 60).to_index:
        results = [Result(row.id, outcome, version=row.version, reason="torn") for row in claimed]
        house.claims.report("index", results)
        rows += claimed
    return rows


def claim(house: House, *in_hand: str, name: str = "describer-0", limit: int = 4) -> Claim:
    offer = Offer(describer=Describer(name, limit, 300, in_hand))
    return house.claims.claim("job", 32, 60, offer)


def report(
    house: House,
    row: Image,
    outcome: Outcome = Outcome.DESCRIBED,
    name: str = "describer-0",
    model: str = "looker",
) -> None:
    shown = SHOWN if outcome is Outcome.DESCRIBED else None
    result = Result(row.id, outcome, reason="why", description=shown, took_s=2.0, model=model)
    house.claims.report(name, [result])


def describe(house: House) -> list[Image]:
    """Everything that is to be described, and the index follows."""
    rows: list[Image] = []
    while True:
        claimed = claim(house)
        refreshed = [
            Result(row.id, Outcome.INDEXED, version=row.version) for row in claimed.to_refresh
        ]
        house.claims.report("job", refreshed)
        for row in claimed.to_describe:
            report(house, row)
        rows += claimed.to_describe
        if not claimed.images:
            return rows


def describe_later(house: House) -> None:
    """The same, of what was put off."""
    house.clock.now += 700
    assert describe(house)


def shown(house: House, image_id: str) -> Described | None:
    return house.catalog.descriptions(house.catalog.get([image_id])).get(image_id)


async def test_a_description_is_kept_and_the_index_follows(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    assert ask(house).asked == 1
    (row,) = claim(house).to_describe
    report(house, row)
    kept = shown(house, picture.id)
    assert kept is not None
    assert (kept.content, kept.model, kept.edited) == (SHOWN.content, "looker", False)
    assert kept.described_at == house.clock.now
    after = claim(house)
    assert [one.id for one in after.to_refresh] == [picture.id]
    assert after.descriptions[picture.id].caption == "A red square"
    house.claims.report(
        "job", [Result(row.id, Outcome.INDEXED, version=after.to_refresh[0].version)]
    )
    assert not house.claims.due()


async def test_each_is_described_once_however_often_all_are_asked_for(house: House) -> None:
    for seed in range(3):
        await house.take(jpeg(seed))
    index(house)
    assert ask(house).asked == 3
    twice = ask(house)
    assert (twice.asked, twice.waiting) == (0, 3)
    assert len(describe(house)) == 3
    after = ask(house)
    assert (after.asked, after.described) == (0, 3)
    assert describe(house) == []


async def test_nothing_is_given_to_workers_without_a_model_or_room(house: House) -> None:
    await house.take(jpeg())
    index(house)
    ask(house)
    assert house.claims.claim("job", 32, 60).to_describe == []
    assert claim(house, limit=0).to_describe == []
    assert not house.claims.due()
    house.clock.now += 31
    assert house.claims.due()  # perhaps one can by now


async def test_it_is_told_that_no_worker_describes(house: House) -> None:
    await house.take(jpeg())
    index(house)  # its worker has no model
    assert progress(house).held_up == ""  # nothing waits
    ask(house)
    assert progress(house).held_up == NO_DESCRIBER
    (row,) = claim(house).to_describe
    assert progress(house).held_up == ""
    report(house, row, Outcome.RETRY)
    assert progress(house).held_up == "why"
    house.claims.claim("job", 32, 60)  # of another worker
    assert progress(house).held_up == "why"
    house.clock.now += 121
    house.claims.claim("job", 32, 60)
    assert progress(house).held_up == NO_DESCRIBER


async def test_it_is_told_that_no_worker_comes_at_all(house: House) -> None:
    await house.take(jpeg())
    index(house)
    claim(house)
    ask(house)
    assert house.claims.due()
    house.clock.now += 299
    assert progress(house).held_up == ""
    house.clock.now += 2
    assert progress(house).held_up == NO_WORKER
    claim(house)
    assert progress(house).held_up == ""


async def test_a_worker_without_a_model_hides_no_room_of_another(house: House) -> None:
    await house.take(jpeg(0))
    await house.take(jpeg(1))
    index(house)
    ask(house)
    claim(house, limit=1)
    house.claims.claim("job", 32, 60)
    assert house.claims.due()


async def test_uploads_and_changes_come_first(house: House) -> None:
    await house.take(jpeg(0))
    index(house)
    ask(house)
    await house.take(jpeg(1))
    found = claim(house)
    assert len(found.to_index) == 1
    assert found.to_describe == []


async def test_texts_are_read_beside_it(house: House) -> None:
    await house.take(jpeg())
    index(house)
    ask(house)
    both = Offer(reads=True, describer=Describer("describer-0", 4, 300))
    found = house.claims.claim("job", 32, 60, both)
    assert (len(found.to_read), len(found.to_describe)) == (1, 1)


async def test_what_was_named_by_its_id_comes_first(house: House) -> None:
    first = (await house.take(jpeg(0))).image
    second = (await house.take(jpeg(1))).image
    index(house)
    ask(house, Wish(tags=["none"]))
    ask(house, Wish(all=True, limit=1))
    ask(house, Wish(ids=[first.id]))
    assert [row.id for row in claim(house).to_describe] == [first.id, second.id]


async def test_the_newest_are_meant_by_a_limit(house: House) -> None:
    images = [(await house.take(jpeg(seed))).image for seed in range(4)]
    index(house)
    assert ask(house, Wish(all=True, limit=2)).asked == 2
    assert {row.id for row in claim(house).to_describe} == {images[2].id, images[3].id}
    assert ask(house, Wish(all=True, limit=9)).asked == 2


async def test_a_dry_run_only_counts(house: House) -> None:
    await house.take(jpeg(size=(280, 140)))
    index(house)
    counted = ask(house, Wish(all=True, dry_run=True, max_side=1000))
    assert (counted.asked, counted.patches) == (1, 50.0)
    smaller = ask(house, Wish(all=True, dry_run=True, max_side=140))
    assert smaller.patches == pytest.approx(12.5)
    assert claim(house).to_describe == []


async def test_tags_and_documents_choose(house: House) -> None:
    tagged = (await house.take(jpeg(0), tags=["holiday"])).image
    document = (await house.take(pdf(2), tags=["holiday", "paper"])).image
    await house.take(jpeg(1))
    index(house)
    assert ask(house, Wish(tags=["holiday"], dry_run=True)).asked == 3
    assert ask(house, Wish(tags=["holiday", "paper"], dry_run=True)).asked == 2
    assert ask(house, Wish(document_id=document.id, dry_run=True)).asked == 2
    assert ask(house, Wish(ids=[document.id, tagged.id], dry_run=True)).asked == 3
    assert ask(house, Wish(states=["stored"], dry_run=True)).asked == 0
    assert ask(house, Wish(ids=["nobody"], dry_run=True)).unknown == 1


@pytest.mark.parametrize(
    "wish",
    [Wish(), Wish(ids=["a"], all=True), Wish(tags=["a"], all=True), Wish(states=["failed"])],
)
async def test_a_wish_says_one_thing(house: House, wish: Wish) -> None:
    with pytest.raises(InvalidRequest):
        ask(house, wish)


async def test_what_is_described_is_described_again_only_when_asked(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    describe(house)
    assert ask(house, Wish(all=True, other_model=True, model="looker")).asked == 0
    assert ask(house, Wish(all=True, other_model=True, model="newer")).asked == 1
    assert shown(house, picture.id) is not None  # until there is another
    describe(house)
    assert ask(house, Wish(all=True, again=True)).asked == 1


async def test_what_was_edited_is_replaced_only_by_its_id(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    describe(house)
    house.catalog.update(picture.id, None, None, Described("Mine"))
    edited = shown(house, picture.id)
    assert edited is not None
    assert (edited.caption, edited.edited, edited.model) == ("Mine", True, "looker")
    assert ask(house, Wish(all=True, again=True)).asked == 0
    assert ask(house, Wish(all=True, other_model=True, model="x")).asked == 0
    assert ask(house, Wish(ids=[picture.id])).asked == 0
    assert ask(house, Wish(ids=[picture.id], again=True)).asked == 1


async def test_an_edit_while_a_model_looks_counts(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    ask(house)
    (row,) = claim(house).to_describe
    house.catalog.update(picture.id, None, None, Described("Mine"))
    report(house, row)
    kept = shown(house, picture.id)
    assert kept is not None
    assert kept.caption == "Mine"
    assert progress(house).waiting == 0


async def test_an_edit_reaches_the_index_and_can_be_taken_back(house: House) -> None:
    picture = (await house.take(jpeg())).image
    index(house)
    house.catalog.update(picture.id, None, None, Described("Mine"))
    assert claim(house).descriptions[picture.id].caption == "Mine"
    house.catalog.update(picture.id, None, None, None)
    assert shown(house, picture.id) is None


async def test_a_page_has_a_description_of_its_own_and_a_document_has_none(house: House) -> None:
    document = (await house.take(pdf(1))).image
    (page,) = index(house)
    house.catalog.update(page.id, None, None, Described("A table"))
    assert shown(house, page.id) is not None
    with pytest.raises(PageOfDocument):
        house.catalog.update(page.id, ["x"], None, Described("A table"))
    with pytest.raises(InvalidRequest):
        house.catalog.update(document.id, None, None, Described("A paper"))


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


async def test_stopping_keeps_what_is_described_and_what_is_in_hand(house: House) -> None:
    images = [(await house.take(jpeg(seed))).image for seed in range(3)]
    index(house)
    ask(house)
    (row,) = claim(house, limit=1).to_describe
    assert requests(house).stop() == 3
    assert progress(house).waiting == 0
    assert claim(house, row.id).to_describe == []
    report(house, row)
    described = [image.id for image in images if shown(house, image.id)]
    assert described == [row.id]
    assert ask(house).asked == 2


async def test_what_a_model_gives_back_after_a_stop_waits_no_more(house: House) -> None:
    await house.take(jpeg())
    index(house)
    ask(house)
    (row,) = claim(house).to_describe
    requests(house).stop()
    report(house, row, Outcome.RETRY)
    assert progress(house).waiting == 0


async def test_an_upload_can_ask_for_it(house: House) -> None:
    picture = (await house.take(jpeg(), describe=True)).image
    document = (await house.take(pdf(2), describe=True)).image
    plain = (await house.take(jpeg(1))).image
    assert progress(house).waiting == 3
    index(house)
    described = describe(house)
    assert {row.document_id or row.id for row in described} == {picture.id, document.id}
    assert len(described) == 3
    again = await house.take(jpeg(1), describe=True)
    assert again.duplicate
    assert [row.id for row in describe(house)] == [plain.id]
    await house.take(jpeg(1), describe=True)
    assert describe(house) == []


async def test_what_is_broken_or_deleted_does_not_wait(house: House) -> None:
    await house.take(jpeg(0), describe=True)
    index(house, fails=True)
    assert progress(house).waiting == 0
    picture = (await house.take(jpeg(1), describe=True)).image
    index(house)
    (row,) = claim(house).to_describe
    house.catalog.mark_deleting(picture.id)
    assert progress(house).waiting == 0
    report(house, row)
    (gone,) = claim(house).to_delete
    house.claims.report("job", [Result(gone, Outcome.DELETED)])
    assert progress(house).described == 0


async def test_means_are_those_of_this_model(house: House) -> None:
    await house.take(jpeg())
    index(house)
    assert progress(house).mean_s == 0
    ask(house)
    describe(house)
    assert progress(house).mean_s == 2.0
    counted = ask(house, Wish(all=True, again=True, dry_run=True, model="looker"))
    assert counted.mean_s == 2.0
    assert counted.mean_chars > 50
    assert ask(house, Wish(all=True, dry_run=True, model="other")).mean_s == 0


async def test_the_order_needs_no_sorting(house: House) -> None:
    statement = waiting(0.0).limit(2).compile(compile_kwargs={"literal_binds": True})
    plan = house.writer.read(
        lambda session: (
            session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
        )
    )
    assert "ix_descriptions_due" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
