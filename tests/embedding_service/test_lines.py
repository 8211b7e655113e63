"""From lines to words with boxes."""

from __future__ import annotations

import pytest

from embedding_service.ocr.lines import Letter, TextLine, words_of


def line(
    text: str, left: float, top: float, right: float, bottom: float, confidence: float = 0.9
) -> TextLine:
    return TextLine(
        text, confidence, ((left, top), (left, bottom)), ((right, top), (right, bottom))
    )


def test_a_line_becomes_words_that_share_its_height_and_its_number() -> None:
    words = words_of([line("good old days", 0, 10, 130, 20)], 200, 100, 0.5)
    assert [word.text for word in words] == ["good", "old", "days"]
    assert {(word.top, word.bottom, word.line) for word in words} == {(0.1, 0.2, 0)}
    assert words[0].left == 0
    assert words[0].right < words[1].left < words[1].right < words[2].left
    assert words[2].right == pytest.approx(0.65)


def test_wide_letters_take_more_of_a_line() -> None:
    narrow, wide = words_of([line("illi mmmm", 0, 0, 90, 10)], 100, 100, 0.5)
    assert wide.right - wide.left > 2 * (narrow.right - narrow.left)


def test_letters_that_were_seen_say_where_a_word_is() -> None:
    letters = tuple(Letter(start, start + 0.1, 0.8) for start in (0.0, 0.1, 0.7, 0.8))
    found = TextLine("ab cd", 0.8, ((0, 0), (0, 10)), ((100, 0), (100, 10)), letters)
    first, second = words_of([found], 100, 10, 0.5)
    assert (first.left, first.right) == pytest.approx((0, 0.2))
    assert (second.left, second.right) == pytest.approx((0.7, 0.9))


def test_guesses_are_left_out_lines_and_words() -> None:
    letters = tuple(
        Letter(i / 4, i / 4 + 0.1, confidence) for i, confidence in enumerate((0.9, 0.9, 0.2, 0.2))
    )
    found = [
        line("nonsense", 0, 0, 10, 10, confidence=0.4),
        TextLine("so la", 0.55, ((0, 20), (0, 30)), ((90, 20), (90, 30)), letters),
    ]
    assert [word.text for word in words_of(found, 100, 100, 0.5)] == ["so"]


def test_a_few_letters_need_more_confidence_than_a_sentence() -> None:
    found = [
        line("O", 0, 0, 10, 10, confidence=0.7),
        line("42", 0, 20, 10, 30, confidence=0.95),
        line("stop here", 0, 40, 90, 50, confidence=0.7),
    ]
    assert [word.text for word in words_of(found, 100, 100, 0.5)] == ["42", "stop", "here"]


def test_lines_are_numbered_from_the_top_and_pieces_of_one_go_together() -> None:
    found = [
        line("third", 0, 60, 50, 70),
        line("right", 60, 11, 90, 21),
        line("left", 0, 10, 50, 20),
        line("second", 0, 30, 50, 40),
    ]
    words = words_of(found, 100, 100, 0.5)
    assert [(word.text, word.line) for word in words] == [
        ("left", 0),
        ("right", 0),
        ("second", 1),
        ("third", 2),
    ]


def read(*found: TextLine) -> str:
    return " ".join(word.text for word in words_of(found, 1000, 1000, 0.5))


def test_a_column_is_read_to_its_end_before_the_next() -> None:
    columns = [
        line(f"{name}{number}", left, 100 + 20 * number, left + 400, 110 + 20 * number)
        for number in range(3)
        for name, left in (("a", 0), ("b", 500))
    ]
    title, foot = line("title", 300, 50, 600, 70), line("foot", 0, 200, 900, 210)
    assert read(foot, *columns, title) == "title a0 a1 a2 b0 b1 b2 foot"


def test_a_table_is_read_across() -> None:
    cells = [
        line(text, left, top, left + 60, top + 15)
        for text, left, top in (
            ("total", 0, 100),
            ("42.50", 500, 101),
            ("tax", 0, 130),
            ("8.00", 500, 129),
        )
    ]
    assert read(*cells) == "total 42.50 tax 8.00"


def test_a_turned_line_has_upright_boxes() -> None:
    upwards = TextLine("up high", 0.9, ((40, 100), (50, 100)), ((40, 0), (50, 0)))
    first, second = words_of([upwards], 100, 100, 0.5)
    assert (first.left, first.right, first.bottom) == (0.4, 0.5, 1.0)
    assert second.bottom < first.top


def test_boxes_stay_inside_of_the_picture() -> None:
    [word] = words_of([line("edge", -10, -5, 120, 50)], 100, 40, 0.5)
    assert (word.left, word.top, word.right, word.bottom) == (0, 0, 1, 1)
