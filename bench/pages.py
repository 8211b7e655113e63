"""How many pages of a PDF a second: bare pypdfium2 beside the guarded child, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pypdfium2

from bench.figures import Figures, machine
from bench.made_pdf import write_document
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PdfPage, PixelPool, PixelSpec

_SPEC = PixelSpec(224)
_BARE, _PIXELS, _PREPARED, _THUMBNAILS, _TEXT = "bare", "pixels", "prepared", "thumbnails", "text"


class NothingToDraw(Exception):
    """The PDF cannot be read."""


def measure_pages(pages: int, file: Path | None, rounds: int = 3) -> Figures:
    """Pages a second of every way, and the ratio to bare pypdfium2 (drawing at 150 dpi, RGB).

    All ways take turns page by page, so that whatever else the machine does hits all alike; the
    best round counts.

    Raises:
        NothingToDraw: the file is no PDF that can be read.
    """
    with _document(pages, file) as path, PixelPool() as pool:
        try:
            sizes = pool.inspect(path, path.name).pages[:pages]
        except ViewfinderError as error:
            raise NothingToDraw(str(error)) from None
        if not sizes:
            raise NothingToDraw(f"{path} is a picture")
        document = pypdfium2.PdfDocument(path)
        try:
            ways = _ways(pool, path, document, [(size.width, size.height) for size in sizes])
            seconds = [_round(ways, len(sizes)) for _ in range(rounds)]
        finally:
            document.close()
    best = {way: min(one[way] for one in seconds) for way in ways}
    figures: Figures = {"pages": len(sizes)}
    for way, total_s in best.items():
        figures[f"{way}_pages_per_s"] = round(len(sizes) / total_s, 1)
    for way in (_PIXELS, _PREPARED, _THUMBNAILS):
        figures[f"{way}_to_bare_ratio"] = round(best[_BARE] / best[way], 2)
    figures["text_ms_a_page"] = round(best[_TEXT] / len(sizes) * 1000, 2)
    return {**figures, **machine()}


def _ways(
    pool: PixelPool,
    path: Path,
    document: pypdfium2.PdfDocument,
    sizes: list[tuple[int, int]],
) -> dict[str, Callable[[int], object]]:
    def bare(index: int) -> np.ndarray:
        page = document[index]
        try:
            scale = sizes[index][0] / page.get_width()
            return np.array(page.render(scale=scale, rev_byteorder=True).to_numpy())
        finally:
            page.close()

    return {
        _BARE: bare,
        _PIXELS: lambda index: pool.pixels(PdfPage(path, index + 1)),
        _PREPARED: lambda index: pool.prepare(PdfPage(path, index + 1), _SPEC),
        _THUMBNAILS: lambda index: pool.render(PdfPage(path, index + 1), 320, "webp"),
        _TEXT: lambda index: pool.page_text(PdfPage(path, index + 1)),
    }


def _round(ways: dict[str, Callable[[int], object]], count: int) -> dict[str, float]:
    seconds = dict.fromkeys(ways, 0.0)
    for index in range(count):
        for name, way in ways.items():
            started = time.perf_counter()
            way(index)
            seconds[name] += time.perf_counter() - started
    return seconds


@contextmanager
def _document(pages: int, file: Path | None) -> Iterator[Path]:
    if file is not None:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="viewfinder-pages-") as folder:
        path = Path(folder) / "made.pdf"
        write_document(path, pages)
        yield path
