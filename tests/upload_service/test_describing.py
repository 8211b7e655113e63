"""Descriptions: asked for, claimed, reported, edited, counted."""

from __future__ import annotations

import pytest

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.describing_steps import (
    SHOWN,
    ask,
    claim,
    describe,
    index,
    progress,
    report,
    requests,
    shown,
)
from tests.upload_service.pdfs import pdf
from upload_service.describing import NO_DESCRIBER, NO_WORKER, Describer, waiting
from upload_service.description_requests import Wish
from upload_service.descriptions import Described
from upload_service.work import Offer, Outcome, Result
from viewfinder.errors import InvalidRequest, PageOfDocument


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
