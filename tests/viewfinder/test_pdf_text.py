"""The words of a page, in reading order, with their boxes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.hostile_files import picture
from tests.hostile_pdfs import FONT, encrypted, one_page, stream
from viewfinder.pixels import PdfPage, PixelPool, ReadWord


@pytest.fixture(scope="module")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


def drawn(draw: Callable[[Canvas], object]) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(300, 200))
    draw(canvas)
    canvas.save()
    return out.getvalue()


def words(pool: PixelPool, content: bytes, password: str = "") -> list[ReadWord]:
    return pool.page_text(PdfPage(content, 1, password))


def texts(pool: PixelPool, content: bytes) -> list[str]:
    return [word.text for word in words(pool, content)]


def test_words_stand_where_they_are_seen(pool: PixelPool) -> None:
    hello, world = words(pool, one_page(b"BT /F 20 Tf 30 100 Td (Hello world) Tj ET"))
    assert (hello.text, world.text) == ("Hello", "world")
    assert hello.left == pytest.approx(30 / 300, abs=0.01)
    assert hello.bottom == pytest.approx(100 / 200, abs=0.01)
    assert hello.top == pytest.approx((100 - 14) / 200, abs=0.02)
    assert hello.left < hello.right < world.left < world.right < 0.5
    assert (hello.line, world.line, hello.confidence) == (0, 0, 1.0)


def test_boxes_turn_with_the_page(pool: PixelPool) -> None:
    content = b"BT /F 20 Tf 30 100 Td (Hello) Tj ET"
    (word,) = words(pool, one_page(content, extra=b"/MediaBox[0 0 300 200]/Rotate 90"))
    assert word.top == pytest.approx(30 / 300, abs=0.01)
    assert word.left == pytest.approx(100 / 200, abs=0.01)
    assert word.bottom - word.top > word.right - word.left


def test_boxes_are_shares_of_the_crop_box(pool: PixelPool) -> None:
    content = b"BT /F 20 Tf 30 100 Td (Hello) Tj ET BT /F 20 Tf 200 20 Td (outside) Tj ET"
    crop = b"/MediaBox[0 0 300 200]/CropBox[20 90 120 140]"
    (word,) = words(pool, one_page(content, extra=crop))
    assert word.text == "Hello"
    assert word.left == pytest.approx(0.1, abs=0.02)
    assert word.bottom == pytest.approx(0.8, abs=0.02)


def test_lines_are_numbered_from_the_top(pool: PixelPool) -> None:
    def lines(canvas: Canvas) -> None:
        canvas.drawString(20, 150, "first line")
        canvas.drawString(20, 100, "second")

    found = words(pool, drawn(lines))
    assert [(word.text, word.line) for word in found] == [("first", 0), ("line", 0), ("second", 1)]


def test_a_word_parted_at_a_lines_end_is_one(pool: PixelPool) -> None:
    content = b"BT /F 20 Tf 20 100 Td (the exam-) Tj 0 -24 Td (ple ends) Tj ET"
    found = words(pool, one_page(content))
    assert [(word.text, word.line) for word in found] == [("the", 0), ("example", 0), ("ends", 1)]
    assert found[1].bottom < 0.6  # the box of its first part


def test_ligatures_are_taken_apart(pool: PixelPool) -> None:
    names = b"BT /F 20 Tf 20 100 Td (of\\001ce) Tj ET"
    cmap = (
        b"begincmap 1 begincodespacerange <00><ff> endcodespacerange "
        b"2 beginbfrange <20><7e><0020> <01><01><fb01> endbfrange endcmap"
    )
    font = FONT.replace(b">>", b"/ToUnicode 6 0 R>>")
    content = one_page(names, objects=[stream(cmap)]).replace(FONT, font)
    assert texts(pool, content) == ["office"] or texts(pool, content) == ["office"]


@pytest.mark.parametrize("shown", [b"(CBA) Tj", b"40 0 Td (A) Tj -15 0 Td (B) Tj -15 0 Td (C) Tj"])
def test_right_to_left_words_begin_with_their_first_letter(pool: PixelPool, shown: bytes) -> None:
    cmap = (
        b"begincmap 1 begincodespacerange <00><ff> endcodespacerange "
        b"1 beginbfrange <41><43><05d0> endbfrange endcmap"
    )
    font = FONT.replace(b">>", b"/ToUnicode 6 0 R>>")
    content = one_page(b"BT /F 20 Tf 20 100 Td " + shown + b" ET", objects=[stream(cmap)])
    assert texts(pool, content.replace(FONT, font)) == ["\u05d0\u05d1\u05d2"]


def test_invisible_text_over_a_scan_counts(pool: PixelPool) -> None:
    def scan(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture(size=(90, 60))), 0, 0, 300, 200)
        text = canvas.beginText(10, 150)
        text.setTextRenderMode(3)
        for line in range(4):
            text.textLine(f"this is line {line} of the scan")
        canvas.drawText(text)

    assert texts(pool, drawn(scan))[:4] == ["this", "is", "line", "0"]


def test_a_scan_with_a_stamp_is_to_be_read_as_a_picture(pool: PixelPool) -> None:
    def stamped(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture(size=(90, 60))), 0, 0, 300, 200)
        canvas.drawString(20, 20, "Page 3 of 10")

    assert texts(pool, drawn(stamped)) == []


def test_a_page_without_text_has_no_words(pool: PixelPool) -> None:
    assert texts(pool, one_page(b"0 0 99 99 re f")) == []


def test_what_was_filled_in_is_read_but_no_password(pool: PixelPool) -> None:
    def form(canvas: Canvas) -> None:
        canvas.drawString(20, 150, "Name:")
        field = canvas.acroForm.textfield
        field(value="Grace Hopper", x=80, y=140, width=200, height=30)
        field(value="secret", x=80, y=90, width=200, height=30, fieldFlags="password")
        field(value="nobody sees", x=80, y=40, width=200, height=30, annotationFlags="hidden")
        canvas.acroForm.checkbox(checked=True, x=20, y=20)

    found = words(pool, drawn(form))
    assert [word.text for word in found] == ["Name:", "Grace", "Hopper"]
    assert found[1].left == pytest.approx(80 / 300, abs=0.02)


def test_a_locked_page_is_read_with_its_password(pool: PixelPool) -> None:
    assert [word.text for word in words(pool, encrypted(), "my own")] == ["Hello"]


def test_words_are_cut_to_a_number(pool: PixelPool) -> None:
    def many(canvas: Canvas) -> None:
        canvas.setPageSize((3000, 3000))
        canvas.setFont("Helvetica", 4)
        for line in range(300):
            canvas.drawString(5, 2990 - 9 * line, "a b c d e f g h i j " * 10)

    assert len(words(pool, drawn(many))) == 20_000
