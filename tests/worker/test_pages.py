"""Pages of PDFs: pixels as of any picture, and the words of their text layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from viewfinder.errors import ServiceUnavailable
from worker.decoding import MAX_WORDS

if TYPE_CHECKING:
    from tests.worker.conftest import House


def pages(house: House, count: int) -> list[str]:
    """Ids of the pages of a document, which wait to be indexed."""
    for number in range(count):
        record = house.record(number)
        record.document_id, record.page, record.pages = "doc", number + 1, count
        house.catalog.claim_response.to_index.append(record)
    return [record.id for record in house.catalog.claim_response.to_index]


def test_a_page_is_indexed_with_the_words_of_its_text_layer(house: House) -> None:
    [id_] = pages(house, 1)
    house.pixels.layers[1] = "Annual report\nof 2025"
    house.runner.run("claim")
    assert house.index.texts[id_] == "0.png\nAnnual report\nof 2025"
    text = house.catalog.texts()[id_]
    assert text is not None
    assert (text.source, [(word.text, word.line) for word in text.words]) == (
        "pdf",
        [("Annual", 0), ("report", 0), ("of", 1), ("2025", 1)],
    )
    assert text.words[0].right == pytest.approx(0.3)


def test_filters_know_the_document_and_the_page(house: House) -> None:
    ids = pages(house, 2)
    house.runner.run("claim")
    _, payload = house.index.points[ids[1]]
    assert (payload["document"], payload["page"], payload["pages"]) == ("doc", 2, 2)


def test_pages_are_decoded_in_their_order(house: House) -> None:
    pages(house, 9)
    house.runner.run("claim")
    assert house.pixels.asked_for_text == list(range(1, 10))


def test_a_page_without_a_text_layer_reports_none(house: House) -> None:
    [id_] = pages(house, 1)
    house.runner.run("claim")
    assert house.catalog.outcomes() == {id_: "INDEXED"}
    assert house.catalog.texts() == {id_: None}


def test_a_page_with_a_broken_text_layer_is_still_found_by_its_looks(house: House) -> None:
    [id_] = pages(house, 1)
    house.pixels.broken_layers = True
    house.runner.run("claim")
    assert house.catalog.outcomes() == {id_: "INDEXED"}
    assert house.catalog.texts() == {id_: None}


def test_a_page_that_cannot_be_drawn_fails_alone(house: House) -> None:
    ids = pages(house, 3)
    house.pixels.bad = {bytes([2])}
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "INDEXED", ids[1]: "FAILED", ids[2]: "INDEXED"}
    assert "it is torn" in house.catalog.reason(ids[1])


def test_a_text_layer_without_end_is_cut(house: House) -> None:
    [id_] = pages(house, 1)
    house.pixels.layers[1] = "word " * (MAX_WORDS + 5)
    house.runner.run("claim")
    text = house.catalog.texts()[id_]
    assert text is not None
    assert len(text.words) == MAX_WORDS


def test_a_page_whose_text_is_known_is_not_asked_for_it_again(house: House) -> None:
    [id_] = pages(house, 1)
    [record] = house.catalog.claim_response.to_index
    record.text_source, record.text = "ocr", "known words"
    house.runner.run("claim")
    assert house.pixels.asked_for_text == []
    assert house.index.texts[id_].endswith("known words")
    assert house.catalog.texts() == {id_: None}


def test_pictures_have_no_text_layer(house: House) -> None:
    house.waiting(1)
    house.runner.run("claim")
    assert house.pixels.asked_for_text == []
    _, payload = house.index.points["id-0"]
    assert not {"document", "page", "pages"} & payload.keys()


def test_a_change_keeps_the_words_that_were_read(house: House) -> None:
    record = house.record(0)
    record.text, record.tags[:] = "read before", ["new"]
    house.index.points[record.id] = ([1.0], {})
    house.catalog.claim_response.to_refresh.append(record)
    house.runner.run("claim")
    assert house.index.texts[record.id] == "0.png\nnew\nread before"


def documents(house: House, count: int) -> list[str]:
    """Ids of pages that wait for the document encoder."""
    ids = pages(house, count)
    work = house.catalog.claim_response.documents
    work.encoder.CopyFrom(house.embedder.pages)
    work.images.extend(house.catalog.claim_response.to_index)
    del house.catalog.claim_response.to_index[:]
    return ids


def test_pages_get_matrices_of_the_document_encoder_beside_the_index(house: House) -> None:
    ids = documents(house, 3)
    summary = house.runner.run("claim")
    # A page of value n is 2n pixels wide, and has a row for each.
    assert house.index.matrices == {id_: 2 * (n + 1) for n, id_ in enumerate(ids)}
    assert house.index.beside == set(ids)
    assert house.index.points == {}
    [(_, results)] = house.catalog.reports
    assert {result.encoder for result in results} == {"pages@p1"}
    assert (summary.embedded_pages, summary.indexed) == (3, 0)


def test_their_words_are_not_read_for_it(house: House) -> None:
    documents(house, 1)
    house.runner.run("claim")
    assert house.pixels.asked_for_text == []


def test_the_catalogue_is_told_what_can_be_done(house: House) -> None:
    house.runner.run("claim")
    assert house.catalog.abilities is house.abilities


def test_pages_for_the_document_encoder_wait_while_it_is_away(house: House) -> None:
    documents(house, 1)
    house.embedder.away = True
    summary = house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"RETRY"}
    assert not summary.look_again


def test_the_index_that_is_away_gets_the_matrices_later(house: House) -> None:
    documents(house, 1)
    house.index.error = ServiceUnavailable(service="search_service")
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"RETRY"}
