"""Texts as vectors of words."""

from __future__ import annotations

import pytest

from search_service.vector_index import SparseVector
from search_service.words import Bm25Words


@pytest.fixture(scope="module")
def words() -> Bm25Words:
    return Bm25Words()


def common_words(words: Bm25Words, query: str, document: str) -> list[str]:
    """The words of the query that the document has."""
    asked = words.of_query(query)
    return [] if asked is None else asked.matched(words.of_document(document).indices)


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("IMG_1234", "IMG_1234.jpg"),
        ("img 1234", "IMG_1234.jpg"),
        ("1234", "IMG_1234.jpg"),
        ("img1234.JPG", "IMG_1234.jpg"),
        ("IMG_1234.HEIC", "img-1234.jpg"),
        ("img_1234", "IMG1234.png"),
        ("42", "DSC_0042.jpg"),
        ("0042", "DSC_0042.jpg"),
        ("beach", "HolidayBeach2021.webp"),
        ("holidaybeach2021", "HolidayBeach2021.webp"),
        ("holiday beach", "holiday-beach (3).jpg"),
        ("scan", "PDFScan.pdf"),
        ("iphone", "iPhone 12.jpeg"),
        ("photo", "photo1.jpg"),
        ("cafe", "Café am See.jpeg"),
        ("CAFÉ", "cafe"),
        ("bjorn", "Bjørn"),
        ("Łódź", "lodz"),
        ("strasse", "Straße"),
        ("елка", "Ёлка, снег"),
        ("dogs", "a dog"),
        ("running", "she runs"),
        ("写真", "日本語の写真.png"),
        ("写", "写真IMG_1.png"),
        ("사진", "사진폴더"),
        ("สวัสดี", "สวัสดีครับ"),
        ("हिन्दी", "हिन्दी शब्द"),
        ("كتاب", "كِتَاب"),  # with and without vowel points
        ("\uff46\uff55\uff4c\uff4c", "full"),  # of full width
        ("😀", "party😀👍🏽"),
        ("👍", "party😀👍🏽"),
        ("pictures", "/home/anna/Pictures/2021"),
        ("anna", "C:\\Users\\Anna\\x"),
    ],
)
def test_a_name_is_found_however_it_is_written(words: Bm25Words, query: str, document: str) -> None:
    assert common_words(words, query, document)


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("123", "IMG_1234.jpg"),
        ("jpg", "IMG_1234.jpg"),
        ("each", "beach.jpg"),
        ("cat", "category"),
        ("the dog", "the cat"),
        ("ein Hund", "ein Haus"),
        ("本日", "日本"),
    ],
)
def test_what_is_not_in_the_text_is_not_found(words: Bm25Words, query: str, document: str) -> None:
    assert common_words(words, query, document) == []


@pytest.mark.parametrize(
    "text", ["", " \n\t", "...", "?!", "___", "— … «»", "\u200d\ufe0f", "\x00"]
)
def test_a_text_without_words_has_none(words: Bm25Words, text: str) -> None:
    assert words.of_query(text) is None
    assert words.of_document(text) == SparseVector((), ())


def test_words_that_say_nothing_count_only_when_alone(words: Bm25Words) -> None:
    assert common_words(words, "the man with a hat", "the man with a hat") == ["man", "hat"]
    assert common_words(words, "the", "The.jpg") == ["the"]


def test_matches_are_told_as_they_were_typed_once_and_in_order(words: Bm25Words) -> None:
    query = "(IMG_1234.jpg, Café!) dogs"
    assert common_words(words, query, "dog café img 1234") == ["IMG_1234.jpg", "Café", "dogs"]


@pytest.mark.parametrize("character", ["a", "word ", "写", "😀", "\ufdfa", "a_", "1a", ".", "é"])
def test_long_texts_are_bounded(words: Bm25Words, character: str) -> None:
    document = words.of_document(character * 1_000_000)
    assert len(document.indices) <= 4_096
    query = words.of_query(character * 1_000_000)
    assert query is None or len(query.vector.indices) <= 128


def test_a_long_text_keeps_its_beginning(words: Bm25Words) -> None:
    assert common_words(words, "first", "first " + "lorem " * 100_000)


def test_weights_grow_with_repetition_and_shrink_with_length(words: Bm25Words) -> None:
    def weight(text: str) -> float:
        document = words.of_document(text)
        asked = words.of_query("beach")
        assert asked is not None
        return document.values[document.indices.index(asked.vector.indices[0])]

    assert weight("beach beach sea") > weight("beach sand sea")
    assert weight("beach sea") > weight("beach " + " ".join(f"word{n}" for n in range(200)))


def test_a_query_weighs_its_words_alike(words: Bm25Words) -> None:
    asked = words.of_query("beach beach sea")
    assert asked is not None
    assert asked.vector.values == (1.0, 1.0)


def test_indices_are_as_the_index_has_them_since_its_beginning(words: Bm25Words) -> None:
    """An index outlives the program: another hash, stemmer or folding would find nothing in it."""
    asked = words.of_query("Bjørn dogs 写真 IMG_7")
    assert asked is not None
    assert asked.typed == {
        1184310730: "Bjørn",
        1312749093: "dogs",
        1240746652: "写真",
        1180690720: "IMG_7",
        602572328: "IMG_7",
        1602294157: "IMG_7",
    }
