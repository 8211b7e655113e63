"""Whatever PDF is uploaded: the right error, or a page, within time and memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import pytest

from tests.hostile_pdfs import HostilePdf, hostile_pdfs, one_page
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PdfPage, PixelLimits, PixelPool, PixelSpec

SPEC = PixelSpec(size=32)
MEBIBYTE = 1 << 20

# Takes some ten seconds: files that are slow to draw are drawn until their time is up.
pytestmark = pytest.mark.slow


@dataclass
class Run:
    """What became of every file."""

    outcomes: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    peak_bytes: int = 0


@contextmanager
def watching(pool: PixelPool, note: Callable[[int], None]) -> Iterator[None]:
    """Note the memory of the pool's child, again and again."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            for process_id in pool.process_ids:
                with suppress(psutil.Error):
                    note(psutil.Process(process_id).memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def outcome(pool: PixelPool, file: HostilePdf) -> tuple[str, str] | None:
    try:
        pool.inspect(file.content, file.name, file.password)
    except ViewfinderError as error:
        return error.code, "inspect"
    page = PdfPage(file.content, 1, file.password)
    try:
        pool.prepare(page, SPEC, file.name)
        pool.page_text(page, file.name)
        pool.pixels(page, 2000, file.name)
    except ViewfinderError as error:
        return error.code, "prepare"
    return None


@pytest.fixture(scope="module")
def run() -> Run:
    run = Run()

    def note(rss_bytes: int) -> None:
        run.peak_bytes = max(run.peak_bytes, rss_bytes)

    with PixelPool(limits=PixelLimits(document_timeout_s=2)) as pool:
        pool.warm_up()
        (child,) = pool.process_ids
        idle_bytes = psutil.Process(child).memory_info().rss
        with watching(pool, note):
            for file in hostile_pdfs():
                run.outcomes[file.name] = outcome(pool, file)
        run.peak_bytes -= idle_bytes
        assert pool.page_text(PdfPage(one_page(), 1))[0].text == "Hello"
    return run


def test_a_hostile_pdf_leads_to_its_error(run: Run) -> None:
    assert run.outcomes == {
        file.name: file.expected_code and (file.expected_code, file.found_by)
        for file in hostile_pdfs()
    }


def test_hostile_pdfs_take_less_than_300_megabytes(run: Run) -> None:
    assert 0 < run.peak_bytes < 300 * MEBIBYTE
