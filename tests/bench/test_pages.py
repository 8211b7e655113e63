"""The bench of pages: real pages, real ratios."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.made_pdf import write_document
from bench.pages import NothingToDraw, measure_pages
from viewfinder.pixels import PdfPage, PixelPool


def test_a_made_document_has_words_and_is_always_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one.pdf", tmp_path / "other.pdf"
    write_document(one, 2)
    write_document(other, 2)
    assert one.read_bytes() == other.read_bytes()
    with PixelPool() as pool:
        assert len(pool.inspect(one, "one.pdf").pages) == 2
        assert len(pool.page_text(PdfPage(one, 2))) == 600


def test_every_way_is_beside_bare_pypdfium2() -> None:
    figures = measure_pages(2, None, rounds=1)
    assert figures["pages"] == 2
    for way in ("bare", "pixels", "prepared", "thumbnails", "text"):
        assert float(figures[f"{way}_pages_per_s"]) > 0
    assert float(figures["pixels_to_bare_ratio"]) > 0


def test_what_is_no_pdf_is_said(tmp_path: Path) -> None:
    path = tmp_path / "text.pdf"
    path.write_bytes(b"%PDF-1.7 no more")
    with pytest.raises(NothingToDraw, match="damaged"):
        measure_pages(1, path)
