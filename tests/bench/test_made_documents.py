"""The documents that `viewfinder eval documents` asks about."""

from __future__ import annotations

import io
from collections import Counter

import pypdfium2
import pytest
from PIL import Image

from bench.made_documents import MadeDocument, made_documents


@pytest.fixture(scope="module")
def documents() -> list[MadeDocument]:
    return list(made_documents())


def text_of(document: MadeDocument, page: int) -> str:
    pdf = pypdfium2.PdfDocument(document.content)
    text: str = pdf[page - 1].get_textpage().get_text_range()
    pdf.close()
    return text


def test_there_are_a_hundred_pages_of_three_kinds_each_with_its_own_question(
    documents: list[MadeDocument],
) -> None:
    kinds = Counter(one.kind for one in documents for _ in one.pages)
    assert kinds == {"text layer": 40, "scan": 30, "picture": 30}
    assert len({page.question for one in documents for page in one.pages}) == 100
    assert len({one.content for one in documents}) == len(documents)


def test_the_same_seed_makes_the_same_bytes_and_another_others(
    documents: list[MadeDocument],
) -> None:
    assert list(made_documents()) == documents
    others = {page.question for one in made_documents(seed=1) for page in one.pages}
    assert len(others & {page.question for one in documents for page in one.pages}) < 50


def test_only_pages_with_a_text_layer_have_one_and_it_has_their_words(
    documents: list[MadeDocument],
) -> None:
    for document in documents:
        if document.kind == "picture":
            assert min(Image.open(io.BytesIO(document.content)).size) > 300
            continue
        for page in document.pages:
            text = text_of(document, page.number)
            if document.kind == "scan":
                assert text == ""
            else:
                assert page.written.who in text
                assert all(thing.lower() in text.lower() for thing in page.written.things)


def test_neither_the_name_of_a_file_nor_all_words_of_a_page_are_in_its_question(
    documents: list[MadeDocument],
) -> None:
    for document in documents:
        stem = document.file_name.rpartition(".")[0]
        for page in document.pages:
            assert stem not in page.question
            assert str(page.written.number) not in page.question
