"""Pages are embedded with the document encoder that workers name, beside the active one."""

from __future__ import annotations

from typing import Any

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.pdfs import pdf
from upload_service.healing import Healing, StoredVectors
from upload_service.reindexing import key_of
from upload_service.tables import Image, ImageVector
from upload_service.vector_claims import MAX_TRIES
from upload_service.work import Claim, Offer, Outcome, Result, Told


def spec(name: str) -> dict[str, Any]:
    pixels = {"size": 0, "resize_mode": "within", "interpolation": "bicubic", "fill": 0}
    return {"name": name, "revision": "1", "kind": "multivector", "dim": 128, "pixels": pixels}


COLQWEN, COLPALI = spec("colqwen"), spec("colpali")
PLAIN: dict[str, Any] = {**spec("mini"), "kind": "dense"}


def claim(house: House, encoder: dict[str, Any] | None = COLQWEN, claim_id: str = "job") -> Claim:
    return house.claims.claim(claim_id, 32, 60, Offer(document_encoder=encoder))


def index(house: House) -> None:
    """All that waits, with the active encoder."""
    while rows := house.claims.claim("index", 32, 60).to_index:
        results = [Result(row.id, Outcome.INDEXED, version=row.version) for row in rows]
        house.claims.report("index", results)


def embedded(house: House, found: Claim, claim_id: str = "job") -> list[str]:
    """Report all pages of a claim; their ids."""
    work = found.documents
    if work is None:
        return []
    house.claims.report(
        claim_id,
        [
            Result(row.id, Outcome.INDEXED, version=row.version, encoder=key_of(work.spec))
            for row in work.images
        ],
    )
    return [row.id for row in work.images]


def all_embedded(house: House, encoder: dict[str, Any] = COLQWEN) -> list[str]:
    ids: list[str] = []
    while some := embedded(house, claim(house, encoder)):
        ids += some
    return ids


async def test_pages_come_to_the_document_encoder_and_pictures_do_not(house: House) -> None:
    await house.take(jpeg())
    document = (await house.take(pdf(20))).image
    index(house)
    pages = house.catalog.page(200, "", (), (), document.id).images
    assert all_embedded(house) == [page.id for page in pages]
    assert not house.claims.due()


async def test_nothing_is_given_before_a_worker_names_an_encoder(house: House) -> None:
    await house.take(pdf(2))
    index(house)
    assert claim(house, None).documents is None
    assert not house.claims.due()


async def test_a_page_that_is_indexed_later_comes_too(house: House) -> None:
    await house.take(pdf(2))
    index(house)
    assert len(all_embedded(house)) == 2
    await house.take(pdf(3))
    index(house)
    assert len(all_embedded(house)) == 3


async def test_a_page_that_is_embedded_again_comes_to_both(house: House) -> None:
    content = pdf(2)
    document = (await house.take(content)).image
    index(house)
    assert len(all_embedded(house)) == 2
    house.catalog.mark_deleting(document.id)
    await house.take(content)
    index(house)
    assert len(all_embedded(house)) == 2


async def test_another_encoder_begins_when_the_vectors_of_the_former_are_dropped(
    house: House,
) -> None:
    await house.take(pdf(2))
    index(house)
    all_embedded(house)
    first = claim(house, COLPALI)
    assert first.drop == COLQWEN
    assert first.documents is None
    assert claim(house, COLPALI).drop == COLQWEN  # nobody has reported it
    assert house.claims.due()
    house.claims.report("job", [], Told(dropped=key_of(COLQWEN)))
    begun = claim(house, COLPALI)
    assert begun.drop is None
    assert begun.documents is not None
    assert begun.documents.spec == COLPALI
    assert len(embedded(house, begun)) == 2


async def test_a_late_report_for_the_former_encoder_changes_nothing(house: House) -> None:
    await house.take(pdf(1))
    index(house)
    held = claim(house, claim_id="slow")
    claim(house, COLPALI)
    house.claims.report("job", [], Told(dropped=key_of(COLQWEN)))
    embedded(house, held, "slow")
    begun = claim(house, COLPALI)
    assert begun.documents is not None
    assert len(begun.documents.images) == 1


async def test_a_change_while_a_page_is_embedded_is_written_to_the_index_again(
    house: House,
) -> None:
    document = (await house.take(pdf(1))).image
    index(house)
    held = claim(house)
    house.catalog.update(document.id, ["new"], None)
    (row,) = house.claims.claim("other", 32, 60).to_refresh
    house.claims.report("other", [Result(row.id, Outcome.INDEXED, version=row.version)])
    embedded(house, held)
    assert len(house.claims.claim("other", 32, 60).to_refresh) == 1


async def test_a_page_deleted_while_it_is_embedded_leaves_the_index(house: House) -> None:
    document = (await house.take(pdf(1))).image
    index(house)
    held = claim(house)
    assert held.documents is not None
    (page,) = held.documents.images
    house.catalog.mark_deleting(document.id)
    result = Result(page.id, Outcome.INDEXED, version=1, encoder=key_of(COLQWEN))
    assert house.claims.report("job", [result]) == [page.id]


async def test_a_page_that_kills_its_workers_is_found_and_left_out(house: House) -> None:
    document = (await house.take(pdf(3))).image
    index(house)
    bad = house.catalog.page(200, "", (), (), document.id).images[1].id
    done: set[str] = set()
    for number in range(4 * MAX_TRIES):
        found = claim(house, claim_id=f"worker-{number}")
        rows = [] if found.documents is None else found.documents.images
        if bad in {row.id for row in rows}:
            house.clock.now += 61  # killed, with all it had
        else:
            done |= set(embedded(house, found, f"worker-{number}"))
    assert len(done) == 2
    assert not house.claims.due()
    vectors = house.writer.read(
        lambda session: [
            row.failure for row in session.query(ImageVector).where(ImageVector.failure != "")
        ]
    )
    assert len(vectors) == 1
    assert "died" in vectors[0]
    (row,) = house.catalog.get([document.id])
    assert row.state == "indexed"


async def test_a_page_the_encoder_cannot_embed_stays_as_it_is(house: House) -> None:
    document = (await house.take(pdf(1))).image
    index(house)
    found = claim(house)
    assert found.documents is not None
    (page,) = found.documents.images
    failed = Result(page.id, Outcome.FAILED, "too dense", encoder=key_of(COLQWEN))
    house.claims.report("job", [failed])
    assert claim(house).documents is None
    assert house.catalog.get([page.id, document.id])[0].state == "indexed"


async def test_moving_to_another_encoder_goes_on_beside_it(house: House) -> None:
    await house.take(jpeg())
    document = (await house.take(pdf(2))).image
    index(house)
    all_embedded(house)
    house.reindexing.start(spec("new"), PLAIN, hold=False)
    found = claim(house)
    assert found.reindex is not None
    assert document.id not in {row.id for row in found.reindex.images}
    assert len(found.reindex.images) == 3
    house.claims.report(
        "job",
        [
            Result(row.id, Outcome.INDEXED, version=row.version, encoder="new@1")
            for row in found.reindex.images
        ],
    )
    last = claim(house)
    assert last.switch_to is not None
    house.claims.report("job", [], Told(switched="new@1"))
    assert claim(house).documents is None  # its vectors are still there
    (row,) = house.catalog.get([document.id])
    assert row.state == "indexed"


async def test_switched_too_early_a_document_waits_for_its_pages_again(house: House) -> None:
    document = (await house.take(pdf(2))).image
    index(house)
    house.reindexing.start(spec("new"), PLAIN, hold=False)
    found = claim(house)
    assert found.reindex is not None
    first, second = found.reindex.images
    results = [
        Result(first.id, Outcome.INDEXED, version=1, encoder="new@1"),
        Result(second.id, Outcome.FAILED, "no", encoder="new@1"),
    ]
    house.claims.report("job", results)
    claim(house)
    pages = house.catalog.page(200, "", (), (), document.id).images
    assert [page.state for page in pages] == ["indexed", "failed"]
    assert house.catalog.get([document.id])[0].pages_done == 2


async def test_a_restored_catalogue_heals_documents_by_their_pages(house: House) -> None:
    document = (await house.take(pdf(3))).image
    index(house)
    all_embedded(house)
    pages = house.catalog.page(200, "", (), (), document.id).images
    healing = Healing(house.writer, house.clock, lambda _: None)

    def points(rows: list[Image]) -> list[dict[str, Any]]:
        return [{"id": row.id, "payload": {}} for row in rows]

    healed = healing.heal(
        [
            StoredVectors("mini@1", True, points(pages[:2])),
            StoredVectors(key_of(COLQWEN), False, points(pages[:1])),
        ]
    )
    assert healed.to_embed == 1
    states = [page.state for page in house.catalog.page(200, "", (), (), document.id).images]
    assert states == ["indexed", "indexed", "stored"]
    (row,) = house.catalog.get([document.id])
    assert (row.state, row.pages_done) == ("stored", 2)
    index(house)
    assert house.catalog.get([document.id])[0].state == "indexed"
    assert all_embedded(house) == [page.id for page in pages[1:]]
