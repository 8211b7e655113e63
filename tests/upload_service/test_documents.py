import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.pdfs import pdf
from upload_service.repair import fail_the_lost, remove_orphans
from upload_service.snapshot import snapshot
from upload_service.tables import Image
from upload_service.work import Outcome, Result
from viewfinder.errors import (
    BrokenImage,
    ImageNotFound,
    PageOfDocument,
    PasswordRequired,
    StorageFull,
    TooManyPages,
    ViewfinderError,
    WrongPassword,
)
from viewfinder.ids import page_id

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:reportlab")


async def take(house: House, content: bytes | None = None, **header: Any) -> Image:
    taken = await house.take(content or pdf(), "report.pdf", **header)
    return taken.image


def pages_of(house: House, document: Image) -> list[Image]:
    return house.catalog.page(200, "", (), (), document.id).images


def now(house: House, row: Image) -> Image:
    (found,) = house.catalog.get([row.id])
    return found


def work(house: House, outcome: Outcome = Outcome.INDEXED, claim_id: str = "job") -> int:
    """Claim once, and report that of all; how many."""
    claim = house.claims.claim(claim_id, 32, 60)
    rows = [*claim.to_index, *claim.to_refresh]
    results = [Result(row.id, outcome, "broken", version=row.version) for row in rows]
    results += [Result(image_id, Outcome.DELETED) for image_id in claim.to_delete]
    house.claims.report(claim_id, results)
    return len(results)


async def test_a_pdf_is_a_document_with_a_row_for_every_page(house: House) -> None:
    document = await take(house, tags=["2024"], metadata={"customer": "ACME"})
    assert (document.kind, document.pages, document.media_type) == (
        "document",
        3,
        "application/pdf",
    )
    pages = pages_of(house, document)
    assert [page.page for page in pages] == [1, 2, 3]
    for page in pages:
        assert page.id == str(page_id(UUID(document.id), page.page))
        assert page.blob_key == document.blob_key
        assert page.blob_key.endswith(".pdf")
        assert (page.tags, page.user_metadata) == (["2024"], {"customer": "ACME"})
        assert (page.size_bytes, page.state, page.pages) == (0, "stored", 3)
        assert page.width == pytest.approx(420 / 72 * 150, abs=1)


async def test_pages_are_given_to_workers_in_order_and_the_document_never(house: House) -> None:
    document = await take(house)
    claim = house.claims.claim("job", 32, 60)
    assert [row.page for row in claim.to_index] == [1, 2, 3]
    assert document.id not in {row.id for row in claim.to_index}


async def test_the_document_waits_until_its_last_page_is_indexed(house: House) -> None:
    document = await take(house)
    claim = house.claims.claim("job", 32, 60)
    for number, row in enumerate(claim.to_index, 1):
        assert now(house, document).state == "stored"
        house.claims.report("job", [Result(row.id, Outcome.INDEXED, version=1)])
        assert now(house, document).pages_done == number
    assert now(house, document).state == "indexed"
    assert now(house, document).indexed_at == house.clock.now


async def test_a_document_with_one_good_page_is_indexed(house: House) -> None:
    document = await take(house)
    claim = house.claims.claim("job", 32, 60)
    good, *bad = claim.to_index
    house.claims.report(
        "job",
        [Result(good.id, Outcome.INDEXED, version=1)]
        + [Result(row.id, Outcome.FAILED, "no such font") for row in bad],
    )
    assert now(house, document).state == "indexed"


async def test_a_document_of_bad_pages_has_failed_for_the_first_reason(house: House) -> None:
    document = await take(house)
    work(house, Outcome.FAILED)
    assert now(house, document).state == "failed"
    assert now(house, document).failure == "page 1: broken"


async def test_a_page_that_kills_its_workers_does_not_hold_up_the_document(house: House) -> None:
    document = await take(house, pdf(1))
    for number in range(5):
        house.claims.claim(f"killed-{number}", 32, 60)
        house.clock.now += 61
    assert house.claims.claim("next", 32, 60).to_index == []
    assert now(house, document).state == "failed"


async def test_a_job_counts_pages(house: House) -> None:
    job_id = (await house.take(pdf(3), "a.pdf")).job_id
    await house.take(jpeg(), job_id=job_id)
    assert house.jobs.get(job_id).total == 4
    work(house)
    job = house.jobs.get(job_id)
    assert (job.indexed, job.done) == (4, True)


async def test_a_failed_page_is_named_in_the_job(house: House) -> None:
    taken = await house.take(pdf(2), "a.pdf")
    claim = house.claims.claim("job", 32, 60)
    house.claims.report("job", [Result(claim.to_index[1].id, Outcome.FAILED, "no font")])
    (failure,) = house.jobs.get(taken.job_id).failures
    assert (failure.file_name, failure.reason) == ("a.pdf, page 2", "no font")


async def test_a_document_that_comes_again_joins_the_job_with_all_its_pages(house: House) -> None:
    first = await house.take(pdf(3), "a.pdf")
    again = await house.take(pdf(3), "other.pdf")
    assert again.duplicate
    assert again.image.id == first.image.id
    assert house.jobs.get(again.job_id).total == 3
    assert len(pages_of(house, first.image)) == 3


async def test_what_failed_of_a_document_is_tried_again_when_it_comes_again(house: House) -> None:
    document = await take(house, pdf(2))
    claim = house.claims.claim("job", 32, 60)
    first, second = claim.to_index
    house.claims.report(
        "job",
        [Result(first.id, Outcome.INDEXED, version=1), Result(second.id, Outcome.FAILED, "bad")],
    )
    again = await house.take(pdf(2), "report.pdf")
    assert again.duplicate
    assert [page.state for page in pages_of(house, document)] == ["indexed", "stored"]
    assert now(house, document).state == "stored"
    work(house)
    assert now(house, document).state == "indexed"


async def test_lists_show_documents_and_no_pages(house: House) -> None:
    picture = (await house.take(jpeg())).image
    document = await take(house)
    listed = house.catalog.page(50, "", (), ())
    assert [row.id for row in listed.images] == [document.id, picture.id]
    assert listed.total == 2


async def test_the_pages_of_a_document_are_listed_piece_by_piece(house: House) -> None:
    document = await take(house, pdf(5), tags=["2024"])
    await take(house, pdf(2, title="another"))
    seen: list[int] = []
    cursor = ""
    while True:
        some = house.catalog.page(2, cursor, (), ["2024"], document.id)
        assert some.total == 5
        seen += [row.page for row in some.images]
        cursor = some.next_cursor
        if not cursor:
            break
    assert seen == [1, 2, 3, 4, 5]
    assert house.catalog.page(2, "", (), ["2025"], document.id).images == []


async def test_statistics_count_documents_and_pages(house: House) -> None:
    document = await take(house, pdf(4))
    await house.take(jpeg())
    stats = house.catalog.stats()
    assert (stats.documents, stats.pages, stats.total) == (1, 4, 5)
    assert stats.by_state == {"stored": 5}
    assert stats.size_bytes == document.size_bytes + len(jpeg())


# --- changing and deleting ---


async def test_a_change_of_a_document_goes_to_its_pages(house: House) -> None:
    document = await take(house)
    work(house)
    house.catalog.update(document.id, ["new"], {"a": 1})
    claim = house.claims.claim("job", 32, 60)
    assert [row.tags for row in claim.to_refresh] == [["new"]] * 3
    assert {row.user_metadata["a"] for row in claim.to_refresh} == {1}


async def test_a_change_while_a_page_is_embedded_reaches_it_afterwards(house: House) -> None:
    document = await take(house, pdf(1))
    claim = house.claims.claim("job", 32, 60)
    (page,) = claim.to_index
    house.catalog.update(document.id, ["new"], None)
    house.claims.report("job", [Result(page.id, Outcome.INDEXED, version=page.version)])
    (refreshed,) = house.claims.claim("next", 32, 60).to_refresh
    assert refreshed.tags == ["new"]


async def test_a_page_is_neither_deleted_nor_changed_alone(house: House) -> None:
    document = await take(house)
    page = pages_of(house, document)[1]
    with pytest.raises(PageOfDocument, match=document.id):
        house.catalog.mark_deleting(page.id)
    with pytest.raises(PageOfDocument, match="page 2"):
        house.catalog.update(page.id, ["x"], None)


async def test_a_deleted_document_takes_its_pages_with_it_and_its_file_last(house: House) -> None:
    document = await take(house)
    work(house)
    house.catalog.mark_deleting(document.id)
    assert house.catalog.get([document.id]) == []
    assert pages_of(house, document) == []
    first = house.claims.claim("a", 2, 60)
    assert len(first.to_delete) == 2
    assert document.id not in first.to_delete
    house.claims.report("a", [Result(one, Outcome.DELETED) for one in first.to_delete])
    second = house.claims.claim("b", 32, 60)
    assert len(second.to_delete) == 1
    assert document.id not in second.to_delete
    assert house.files() != []
    house.claims.report("b", [Result(one, Outcome.DELETED) for one in second.to_delete])
    last = house.claims.claim("c", 32, 60)
    assert last.to_delete == [document.id]
    house.claims.report("c", [Result(document.id, Outcome.DELETED)])
    assert house.files() == []
    assert not house.claims.due()
    with pytest.raises(ImageNotFound):
        house.catalog.mark_deleting(document.id)


async def test_a_page_embedded_while_its_document_was_deleted_leaves_the_index(
    house: House,
) -> None:
    document = await take(house, pdf(1))
    (page,) = house.claims.claim("job", 32, 60).to_index
    house.catalog.mark_deleting(document.id)
    result = Result(page.id, Outcome.INDEXED, version=1)
    assert house.claims.report("job", [result]) == [page.id]


@pytest.mark.parametrize("steps", range(5))
async def test_sent_again_while_it_is_deleted_it_is_whole_in_the_end(
    house: House, steps: int
) -> None:
    content = pdf(3)
    document = await take(house, content)
    work(house)
    house.catalog.mark_deleting(document.id)
    # Pages go one by one, then the document's row is in the hands of a worker.
    for step in range(min(steps, 3)):
        claim = house.claims.claim(f"delete-{step}", 1, 60)
        house.claims.report(f"delete-{step}", [Result(i, Outcome.DELETED) for i in claim.to_delete])
    late = house.claims.claim("late", 1, 60).to_delete if steps == 4 else []
    again = await house.take(content, "again.pdf")
    assert not again.duplicate
    house.claims.report("late", [Result(image_id, Outcome.DELETED) for image_id in late])
    house.clock.now += 100
    while house.claims.due() and work(house):
        pass
    assert now(house, document).state == "indexed"
    assert [page.state for page in pages_of(house, document)] == ["indexed"] * 3
    assert {page.file_name for page in pages_of(house, document)} == {"again.pdf"}
    assert [name for name in house.files() if name.endswith(".pdf")] != []
    job = house.jobs.get(again.job_id)
    assert (job.total, job.done) == (3, True)


async def test_pages_in_the_hands_of_a_deleting_worker_are_embedded_after_its_report(
    house: House,
) -> None:
    content = pdf(2)
    document = await take(house, content)
    work(house)
    house.catalog.mark_deleting(document.id)
    held = house.claims.claim("deleting", 32, 60).to_delete
    await house.take(content, "again.pdf")
    assert house.claims.claim("other", 32, 60).to_index == []
    house.claims.report("deleting", [Result(image_id, Outcome.DELETED) for image_id in held])
    assert len(house.claims.claim("other", 32, 60).to_index) == 2
    assert now(house, document).state == "stored"


# --- passwords and bad files ---


async def test_with_its_password_an_encrypted_pdf_is_taken(house: House) -> None:
    document = await take(house, pdf(2, password="open sesame"), password="open sesame")
    assert document.password == "open sesame"
    assert {page.password for page in pages_of(house, document)} == {"open sesame"}


async def test_a_password_that_is_not_needed_is_not_kept(house: House) -> None:
    document = await take(house, pdf(2), password="open sesame")
    assert document.password == ""


@pytest.mark.parametrize(("password", "error"), [("", PasswordRequired), ("wrong", WrongPassword)])
async def test_without_its_password_nothing_is_left_of_a_pdf(
    house: House, password: str, error: type[ViewfinderError]
) -> None:
    content = pdf(2, password="open sesame")
    with pytest.raises(error):
        await take(house, content, password=password)
    assert house.files() == []
    assert house.catalog.page(50, "", (), ()).total == 0
    assert (await take(house, content, password="open sesame")).pages == 2


async def test_a_wrong_password_does_not_spoil_a_document_that_is_there(house: House) -> None:
    content = pdf(2, password="open sesame")
    document = await take(house, content, password="open sesame")
    with pytest.raises(WrongPassword):
        await take(house, content, password="wrong")
    assert now(house, document).password == "open sesame"


async def test_another_password_that_opens_it_is_kept(house: House) -> None:
    content = pdf(2, password="open sesame")
    document = await take(house, content, password="open sesame")
    again = await house.take(content, "a.pdf", password="owner")
    assert again.duplicate
    assert {page.password for page in pages_of(house, document)} == {"owner"}


@pytest.mark.parametrize("content", [b"%PDF-1.7\nnothing", pdf(2)[:300]])
async def test_nothing_is_left_of_a_broken_pdf(house: House, content: bytes) -> None:
    with pytest.raises((BrokenImage, TooManyPages)):
        await take(house, content)
    assert house.files() == []
    assert house.catalog.page(50, "", (), ()).total == 0


async def test_when_the_rows_do_not_fit_nothing_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFull(where="catalogue", reason="full")

    monkeypatch.setattr("upload_service.documents.page_id", full)
    with pytest.raises(StorageFull):
        await take(house)
    assert house.files() == []
    assert house.catalog.page(50, "", (), ()).total == 0


# --- crashes and backups ---


async def test_the_original_of_pages_is_no_orphan(house: House) -> None:
    document = await take(house)
    assert house.catalog.drop_orphans([document.blob_key], house.originals.delete) == 0
    assert remove_orphans(house.catalog, house.originals) == 0


async def test_a_document_whose_file_is_lost_fails_and_can_be_sent_again(house: House) -> None:
    content = pdf(3)
    document = await take(house, content)
    house.originals.delete(document.blob_key)
    assert fail_the_lost(house.catalog, house.originals) == 3
    assert "missing" in now(house, document).failure
    again = await house.take(content, "report.pdf")
    assert again.duplicate
    assert [page.state for page in pages_of(house, document)] == ["stored"] * 3
    assert now(house, document).state == "stored"


async def test_a_backup_names_the_original_of_a_document_once(house: House) -> None:
    document = await take(house)
    with snapshot(house.folder / "catalogue" / "catalogue.sqlite") as copy:
        entries = [one for some in copy.originals() for one in some]
        assert [one.blob_key for one in entries] == [document.blob_key]
        assert entries[0].size_bytes == document.size_bytes == copy.originals_bytes


async def test_two_thousand_pages_become_rows_in_one_go(house: House) -> None:
    document = await take(house, pdf(2000))
    assert document.pages == 2000
    assert house.catalog.stats().pages == 2000
    assert await asyncio.to_thread(house.claims.due)
