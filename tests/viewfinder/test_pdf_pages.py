"""Pages of PDFs, drawn as readers show them, and as encoders want them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from tests.hostile_files import encoded, picture
from tests.hostile_pdfs import CATALOG, FONT, encrypted, one_page, page, pdf, stream
from viewfinder.errors import (
    BrokenImage,
    PasswordRequired,
    TooManyPages,
    UnsupportedMediaType,
    WrongPassword,
)
from viewfinder.pixels import PageSize, PdfPage, PixelLimits, PixelPool, PixelSpec, Source

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
# The left half of a page of 300 x 200 points is red, the right lower quarter blue.
HALVES = b"1 0 0 rg 0 0 150 200 re f 0 0 1 rg 150 0 150 100 re f"


@pytest.fixture(scope="module")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


def numbered(count: int, sizes: list[tuple[int, int]] | None = None) -> bytes:
    """Page n is grey of level n * 10."""
    out = io.BytesIO()
    canvas = Canvas(out)
    for number in range(1, count + 1):
        size = sizes[number - 1] if sizes else (300, 200)
        canvas.setPageSize(size)
        canvas.setFillGray(number * 10 / 255)
        canvas.rect(0, 0, *size, stroke=0, fill=1)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def at(pixels: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    """The colour at these shares of the picture."""
    height, width, _ = pixels.shape
    return tuple(int(value) for value in pixels[int(y * height), int(x * width)])


def test_inspection_counts_pages_and_their_sizes_at_150_dpi(pool: PixelPool) -> None:
    info = pool.inspect(numbered(3, [(300, 200), (144, 72), (595, 842)]), "a.pdf")
    assert info.media_type == "application/pdf"
    assert info.pages == (PageSize(625, 417), PageSize(300, 150), PageSize(1240, 1754))
    assert (info.width, info.height, info.frames) == (625, 417, 3)


def test_a_picture_has_no_pages(pool: PixelPool) -> None:
    assert pool.inspect(encoded("PNG"), "a.png").pages == ()


def test_every_page_is_drawn_by_its_number(pool: PixelPool, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(numbered(5))
    levels = [int(pool.pixels(PdfPage(path, number)).mean()) for number in (1, 5, 2, 2, 4, 3)]
    assert levels == [10, 50, 20, 20, 40, 30]


@pytest.mark.parametrize("number", [0, -1, 4, 2**40])
def test_a_page_that_is_not_there_is_broken(pool: PixelPool, number: int) -> None:
    with pytest.raises(BrokenImage, match=f"page {number}"):
        pool.pixels(PdfPage(numbered(3), number))


def test_a_pdf_without_a_page_number_stands_for_its_first_page(pool: PixelPool) -> None:
    assert pool.prepare(numbered(3), PixelSpec(16)).mean() == pytest.approx(10, abs=1)


def test_a_page_of_a_picture_is_refused(pool: PixelPool) -> None:
    with pytest.raises(UnsupportedMediaType):
        pool.pixels(PdfPage(encoded("PNG"), 1))


def test_colours_are_where_and_what_they_are(pool: PixelPool) -> None:
    pixels = pool.pixels(PdfPage(one_page(HALVES), 1))
    assert pixels.shape == (417, 625, 3)
    assert at(pixels, 0.2, 0.8) == RED
    assert at(pixels, 0.8, 0.8) == BLUE
    assert at(pixels, 0.8, 0.2) == (255, 255, 255)


def test_a_turned_page_is_as_shown(pool: PixelPool) -> None:
    turned = one_page(HALVES, extra=b"/MediaBox[0 0 300 200]/Rotate 90")
    pixels = pool.pixels(PdfPage(turned, 1))
    assert pixels.shape == (625, 417, 3)
    assert at(pixels, 0.2, 0.2) == RED
    assert at(pixels, 0.2, 0.8) == BLUE


def test_only_the_crop_box_is_shown(pool: PixelPool) -> None:
    cropped = one_page(HALVES, extra=b"/MediaBox[0 0 300 200]/CropBox[150 0 300 100]")
    pixels = pool.pixels(PdfPage(cropped, 1))
    assert pixels.shape == (208, 312, 3)
    assert (pixels == BLUE).all()


def test_large_pages_are_drawn_within_the_limits(pool: PixelPool) -> None:
    for width, height in ((2384, 3370), (14_400, 14_400), (5, 14_400)):
        info = pool.inspect(one_page(extra=b"/MediaBox[0 0 %d %d]" % (width, height)), "a.pdf")
        assert max(info.width, info.height) <= 2000
        assert info.width * info.height <= 4_000_000


def test_what_a_reader_fills_in_is_shown(pool: PixelPool) -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(300, 200))
    canvas.drawString(10, 150, "Name:")
    canvas.acroForm.textfield(value="Grace", x=50, y=100, width=200, height=60, fontSize=40)
    canvas.save()
    field = pool.pixels(PdfPage(out.getvalue(), 1))[90:200, 110:520]
    assert (field.min(axis=2) < 100).mean() > 0.02


def test_a_small_side_is_drawn_small(pool: PixelPool) -> None:
    pixels = pool.pixels(PdfPage(numbered(1), 1), max_side=100)
    assert pixels.shape == (67, 100, 3)


def test_pictures_too_give_all_their_pixels(pool: PixelPool) -> None:
    image = picture(size=(80, 60))
    assert np.array_equal(pool.pixels(encoded("PNG", image)), np.asarray(image.convert("RGB")))
    assert pool.pixels(encoded("PNG", image), max_side=40).shape == (30, 40, 3)


def test_thumbnails_of_pages(pool: PixelPool) -> None:
    data = pool.render(PdfPage(numbered(2), 2), 64, "webp")
    image = Image.open(io.BytesIO(data))
    assert image.size == (64, 43)
    assert np.asarray(image).mean() == pytest.approx(20, abs=2)


def test_a_page_drawn_for_an_encoder_is_nearly_the_full_one_resized(pool: PixelPool) -> None:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 842))
    smooth = picture(size=(9, 6)).resize((900, 600), Image.Resampling.BICUBIC)
    canvas.drawImage(ImageReader(smooth), 50, 450, 495, 350)
    for line in range(30):
        canvas.drawString(50, 420 - 12 * line, "The quick brown fox jumps over the lazy dog. " * 2)
    canvas.save()
    page = PdfPage(out.getvalue(), 1)
    spec = PixelSpec(224, "squash")
    full = Image.fromarray(pool.pixels(page))
    reference = np.asarray(full.resize((224, 224), Image.Resampling.BICUBIC), np.int16)
    difference = np.abs(pool.prepare(page, spec).astype(np.int16) - reference)
    assert difference.mean() < 2.5  # once the size: 8


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_every_way_of_resizing_takes_pages(pool: PixelPool, mode: str) -> None:
    spec = PixelSpec(48, mode)  # type: ignore[arg-type]
    assert pool.prepare(PdfPage(one_page(HALVES), 1), spec).shape == (48, 48, 3)


def test_pages_open_only_with_a_password(pool: PixelPool, tmp_path: Path) -> None:
    path = tmp_path / "locked.pdf"
    path.write_bytes(encrypted())
    with pytest.raises(PasswordRequired):
        pool.pixels(PdfPage(path, 1))
    with pytest.raises(WrongPassword):
        pool.pixels(PdfPage(path, 1, "guess"))
    assert pool.pixels(PdfPage(path, 1, "open sesame")).min() < 100
    with pytest.raises(PasswordRequired):  # though it is open for the one who knew
        pool.pixels(PdfPage(path, 1))


def test_a_password_is_not_shown_by_accident() -> None:
    assert "sesame" not in repr(PdfPage(Path("a.pdf"), 1, "open sesame"))


def test_pages_are_counted_before_they_are_looked_at() -> None:
    with PixelPool(limits=PixelLimits(max_pages=4)) as pool:
        assert len(pool.inspect(numbered(4), "a.pdf").pages) == 4
        with pytest.raises(TooManyPages) as refused:
            pool.inspect(numbered(5), "a.pdf")
    assert (refused.value.pages, refused.value.limit) == (5, 4)


def test_a_missing_page_fails_alone(pool: PixelPool) -> None:
    pages = b"<</Type/Pages/Kids[3 0 R 99 0 R 3 0 R]/Count 3>>"
    content = pdf([CATALOG, pages, page(), stream(HALVES), FONT])
    number = len(pool.inspect(content, "a.pdf").pages)
    assert pool.pixels(PdfPage(content, 1)).shape == (417, 625, 3)
    for missing in range(2, number):
        with pytest.raises(BrokenImage):
            pool.pixels(PdfPage(content, missing))


def test_another_document_in_the_same_place_is_seen(pool: PixelPool, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(numbered(1))
    assert pool.pixels(PdfPage(path, 1)).mean() == 10
    other = tmp_path / "b.pdf"
    other.write_bytes(numbered(2))
    other.replace(path)
    assert pool.pixels(PdfPage(path, 2)).mean() == 20


def test_a_large_pdf_is_not_copied(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).bytes(1 << 20) * 100
    path = tmp_path / "large.pdf"
    path.write_bytes(one_page(HALVES, objects=[stream(noise)]))
    with PixelPool() as pool:
        pool.warm_up()
        assert len(pool.inspect(path, "large.pdf").pages) == 1
        assert at(pool.pixels(PdfPage(path, 1)), 0.2, 0.5) == RED
        (child,) = pool.process_ids
        private = psutil.Process(child).memory_full_info().uss
    assert private < 90 << 20


def test_pages_and_pictures_take_turns(pool: PixelPool, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(numbered(3))
    sources: list[Source] = [
        PdfPage(path, 1),
        encoded("PNG"),
        PdfPage(path, 3),
        b"nothing",
        PdfPage(path, 9),
    ]
    results = pool.prepare_many(sources, PixelSpec(16))
    assert [getattr(result, "code", "fine") for result in results] == [
        "fine", "fine", "fine", "unsupported_media_type", "broken_image",
    ]  # fmt: skip


def test_after_some_slow_pages_the_others_are_not_tried(tmp_path: Path) -> None:
    kids = b"<</Type/Pages/Kids[%b]/Count 9>>" % b" ".join([b"3 0 R"] * 9)
    tile = b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/Resources<<>>"
    pattern = stream(b"0 0 1 1 re f", tile + b"/XStep .0001/YStep .0001")
    with_pattern = page(resources=b"/Resources<</Pattern<</P 6 0 R>>>>")
    slow = stream(b"/Pattern cs /P scn 0 0 300 200 re f")
    path = tmp_path / "slow.pdf"
    path.write_bytes(pdf([CATALOG, kids, with_pattern, slow, FONT, pattern]))
    reasons = []
    with PixelPool(limits=PixelLimits(document_timeout_s=0.1)) as pool:
        for number in range(1, 6):
            with pytest.raises(BrokenImage) as refused:
                pool.prepare(PdfPage(path, number), PixelSpec(16))
            reasons.append(refused.value.reason)
    assert ["takes longer" in reason for reason in reasons] == [True, True, True, False, False]
    assert "not tried" in reasons[-1]
