"""Words on a page that a query speaks of."""

from __future__ import annotations

import pytest

from viewfinder.matching import matching_words

PAGE = [
    *("Invoice", "No.", "4711", "of", "ACME-Corp."),
    *("Total", "amounts", "payable:", "1,200.00", "EUR", "(incl.", "VAT)"),
]


def words(query: str, page: list[str] = PAGE) -> list[str]:
    return [page[position] for position in matching_words(query, page)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("invoice 4711", ["Invoice", "4711"]),
        ("INVOICES", ["Invoice"]),
        ("the total amount", ["Total", "amounts"]),
        ("acme", ["ACME-Corp."]),
        ("the of", ["of"]),  # nothing else was asked for
        ("invoice of acme", ["Invoice", "ACME-Corp."]),
        ("receipt", []),
        ("", []),
    ],
)
def test_words_match_as_they_do_in_a_search(query: str, found: list[str]) -> None:
    assert words(query) == found


def test_a_word_matches_wherever_it_stands() -> None:
    assert matching_words("total", ["total", "net", "Total:", "net"]) == [0, 2]


def test_accents_do_not_matter() -> None:
    assert words("cafe muller", ["Caf\u00e9", "M\u00fcller"]) == ["Caf\u00e9", "M\u00fcller"]


def test_scripts_without_spaces_match_by_pairs_of_characters() -> None:
    assert words("\u6771\u4eac", ["\u6771\u4eac\u90fd", "\u5927\u962a"]) == ["\u6771\u4eac\u90fd"]


def test_scripts_without_spaces_match_where_every_character_is_a_word() -> None:
    page = ["\u6771", "\u4eac", "\u5927", "\u6771"]
    assert matching_words("\u6771\u4eac", page) == [0, 1]
