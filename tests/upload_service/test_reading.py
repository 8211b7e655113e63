from sqlalchemy import func, select

from tests.upload_service.conftest import House, jpeg
from tests.upload_service.pdfs import pdf
from upload_service.reading import waiting_to_be_read
from upload_service.tables import Image, Text
from upload_service.texts import MAX_CHARS, PackedText, ReadText, packed
from upload_service.work import Claim, Offer, Outcome, Result
from viewfinder.pictures import ReadWord

READS = Offer(reads=True)


def text(*words: str, source: str = "ocr") -> PackedText:
    found = [ReadWord(one, 0.1, 0.2, 0.3, 0.4, line, 0.9) for line, one in enumerate(words)]
    return packed(ReadText(source, found, "rapidocr 3"))


def index(house: House, text_layer: PackedText | None = None) -> list[Image]:
    """Everything that waits."""
    rows: list[Image] = []
    while claimed := house.claims.claim("index", 32, 60).to_index:
        results = [
            Result(row.id, Outcome.INDEXED, version=row.version, text=text_layer) for row in claimed
        ]
        house.claims.report("index", results)
        rows += claimed
    return rows


def claim(house: House, claim_id: str = "reader") -> Claim:
    return house.claims.claim(claim_id, 32, 60, READS)


def report(house: House, row: Image, outcome: Outcome, *words: str, by: str = "reader") -> None:
    read = text(*words) if outcome is Outcome.READ else None
    result = Result(row.id, outcome, reason="why", version=row.version, text=read)
    house.claims.report(by, [result])


async def test_what_is_indexed_is_read_next(house: House) -> None:
    picture = (await house.take(jpeg())).image
    assert claim(house, "first").to_read == []
    house.claims.report("first", [Result(picture.id, Outcome.INDEXED, version=1)])
    (row,) = claim(house).to_read
    assert row.id == picture.id
    report(house, row, Outcome.READ, "EXIT", "ONLY")
    read = house.catalog.text(picture.id)
    assert read is not None
    assert (read.source, read.reader) == ("ocr", "rapidocr 3")
    assert [(word.text, word.line) for word in read.words] == [("EXIT", 0), ("ONLY", 1)]
    assert read.words[0].confidence == 0.9
    assert not house.claims.due()


async def test_nothing_is_read_while_something_else_waits(house: House) -> None:
    await house.take(jpeg(0))
    index(house)
    await house.take(jpeg(1))
    found = claim(house)
    assert len(found.to_index) == 1
    assert found.to_read == []


async def test_nothing_is_given_to_workers_that_cannot_read(house: House) -> None:
    await house.take(jpeg())
    index(house)
    assert house.claims.claim("blind", 32, 60).to_read == []
    assert not house.claims.due()
    house.clock.now += 31
    assert house.claims.due()  # perhaps one can by now
    house.claims.claim("blind", 32, 60)
    assert not house.claims.due()


async def test_a_text_layer_comes_with_the_report_and_is_not_read_again(house: House) -> None:
    document = (await house.take(pdf(1))).image
    (page,) = index(house, text("invoice", "4711", source="pdf"))
    assert claim(house).to_read == []
    house.catalog.update(document.id, ["x"], None)
    again = claim(house)
    assert again.texts == {page.id: "invoice\n4711"}
    assert again.to_refresh[0].text_source == "pdf"


async def test_an_empty_text_layer_is_none(house: House) -> None:
    await house.take(pdf(1))
    index(house, text(source="pdf"))
    assert len(claim(house).to_read) == 1


async def test_what_has_no_words_is_read_once(house: House) -> None:
    await house.take(jpeg())
    (picture,) = index(house)
    report(house, claim(house).to_read[0], Outcome.READ)
    read = house.catalog.text(picture.id)
    assert read is not None
    assert list(read.words) == []
    assert claim(house).to_read == []


async def test_the_newest_comes_first_and_of_a_document_the_first_page(house: House) -> None:
    old = (await house.take(jpeg())).image
    document = (await house.take(pdf(3))).image
    index(house)
    order = []
    while rows := claim(house).to_read:
        for row in rows:
            order.append((row.document_id or row.id, row.page))
            report(house, row, Outcome.READ, "a")
    assert order == [(document.id, 1), (document.id, 2), (document.id, 3), (old.id, 0)]


async def test_the_order_needs_no_sorting(house: House) -> None:
    statement = waiting_to_be_read(0.0).limit(2).compile(compile_kwargs={"literal_binds": True})
    plan = house.writer.read(
        lambda session: (
            session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
        )
    )
    assert "ix_images_to_read" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


async def test_a_document_is_never_read(house: House) -> None:
    document = (await house.take(pdf(1))).image
    index(house)
    (page,) = claim(house).to_read
    assert page.document_id == document.id
    assert house.catalog.stats().to_read == 1


async def test_what_kills_its_readers_comes_alone_and_then_no_more(house: House) -> None:
    await house.take(jpeg(0))
    await house.take(jpeg(1))
    index(house)
    seen: list[int] = []
    for number in range(12):
        rows = claim(house, f"killed-{number}").to_read
        seen.append(len(rows))
        house.clock.now += 61
    assert seen[0] == 2
    assert set(seen[2:]) == {0, 1}
    assert claim(house).to_read == []
    failures = house.writer.read(lambda session: session.scalars(select(Text.failure)).all())
    assert len(failures) == 2
    assert "died" in failures[0]
    assert not house.claims.due()


async def test_one_that_kills_its_reader_does_not_take_others_with_it(house: House) -> None:
    bad = (await house.take(jpeg(0))).image
    good = (await house.take(jpeg(1))).image
    index(house)
    for number in range(12):
        name = f"reader-{number}"
        for row in claim(house, name).to_read:
            if row.id == bad.id:
                break
            report(house, row, Outcome.READ, "fine", by=name)
        house.clock.now += 61
    read = house.catalog.text(good.id)
    assert read is not None
    assert [word.text for word in read.words] == ["fine"]
    assert house.catalog.text(bad.id) is not None


async def test_what_cannot_be_read_counts_as_read(house: House) -> None:
    await house.take(jpeg())
    (picture,) = index(house)
    report(house, claim(house).to_read[0], Outcome.FAILED)
    (row,) = house.catalog.get([picture.id])
    assert (row.state, row.text_source) == ("indexed", "ocr")
    assert claim(house).to_read == []


async def test_a_reader_that_is_away_is_asked_later(house: House) -> None:
    await house.take(jpeg())
    index(house)
    report(house, claim(house).to_read[0], Outcome.RETRY)
    assert claim(house).to_read == []
    house.clock.now += 2
    assert len(claim(house).to_read) == 1


async def test_a_change_while_it_is_read_is_written_again_with_the_text(house: House) -> None:
    await house.take(jpeg())
    index(house)
    (row,) = claim(house).to_read
    house.catalog.update(row.id, ["new"], None)
    other = house.claims.claim("other", 32, 60)
    (refreshed,) = other.to_refresh
    assert other.texts == {}  # this payload may come after the reader's, and has no text
    report(house, row, Outcome.READ, "EXIT")
    house.claims.report("other", [Result(row.id, Outcome.INDEXED, version=refreshed.version)])
    last = house.claims.claim("third", 32, 60)
    assert last.texts == {row.id: "EXIT"}
    assert last.to_refresh[0].tags == ["new"]
    house.claims.report(
        "third", [Result(row.id, Outcome.INDEXED, version=last.to_refresh[0].version)]
    )
    assert not house.claims.due()


async def test_a_change_that_was_written_while_it_was_read_is_written_again(house: House) -> None:
    await house.take(jpeg())
    index(house)
    (row,) = claim(house).to_read
    house.catalog.update(row.id, ["new"], None)
    (refreshed,) = house.claims.claim("other", 32, 60).to_refresh
    house.claims.report("other", [Result(row.id, Outcome.INDEXED, version=refreshed.version)])
    report(house, row, Outcome.READ, "EXIT")
    assert house.claims.claim("third", 32, 60).texts == {row.id: "EXIT"}


async def test_what_is_deleted_while_it_is_read_is_gone(house: House) -> None:
    await house.take(jpeg())
    index(house)
    (row,) = claim(house).to_read
    house.catalog.mark_deleting(row.id)
    report(house, row, Outcome.READ, "EXIT")
    (gone,) = house.claims.claim("job", 32, 60).to_delete
    house.claims.report("job", [Result(gone, Outcome.DELETED)])
    texts = house.writer.read(lambda session: session.scalar(select(func.count(Text.seq))))
    assert texts == 0


async def test_what_is_sent_again_keeps_what_was_read(house: House) -> None:
    content = jpeg()
    await house.take(content)
    index(house)
    (row,) = claim(house).to_read
    report(house, row, Outcome.READ, "EXIT")
    house.catalog.mark_deleting(row.id)
    await house.take(content)
    assert claim(house).texts == {row.id: "EXIT"}


async def test_long_texts_are_cut_for_the_index(house: House) -> None:
    await house.take(pdf(1))
    (page,) = index(house, text(*["word"] * 10_000, source="pdf"))
    read = house.catalog.text(page.id)
    assert read is not None
    assert len(read.words) == 10_000
    house.catalog.update(page.document_id or "", ["x"], None)
    assert len(claim(house).texts[page.id]) == MAX_CHARS
