"""The process that reads texts: how it lives, and what it does to the others when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.reader import PictureReader, reader_name
from tests.embedding_service import fake_reader
from viewfinder.errors import (
    BrokenImage,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    ServiceUnavailable,
)

FAKE = str(Path(fake_reader.__file__))
Make = Callable[..., PictureReader]


def picture(what: int = fake_reader.READ, width: int = 3, height: int = 2) -> NDArray[np.uint8]:
    return np.full((height, width, 3), what, np.uint8)


def alive(process_id: int | None) -> bool:
    try:
        os.kill(process_id or 0, 0)
    except ProcessLookupError:
        return False
    return process_id is not None


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[PictureReader] = []

    def make_one(
        idle_s: float = 60, max_waiting: int = 16, timeout_s: float = 30, mode: str = "works"
    ) -> PictureReader:
        limits = ReaderLimits(timeout_s=timeout_s, memory_bytes=2 << 30)
        made.append(PictureReader(limits, idle_s, max_waiting, "fake", (FAKE, mode)))
        return made[-1]

    yield make_one
    for one in made:
        await one.close()


async def text_of(reader: PictureReader, pixels: NDArray[np.uint8]) -> str:
    return " ".join(word.text for word in await reader.read(pixels, None))


async def test_there_is_no_process_before_the_first_picture(make: Make) -> None:
    reader = make()
    assert reader.process_id is None
    assert (await text_of(reader, picture(width=7, height=5))).startswith("7 x 5")
    assert alive(reader.process_id)


async def test_the_process_is_niced_and_gets_nothing_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_SECRET", "key")
    read = await text_of(make(), picture())
    assert f"nice {os.nice(0) + 10}" in read
    assert read.endswith("secrets:")


async def test_one_process_reads_picture_after_picture(make: Make) -> None:
    reader = make()
    first = await text_of(reader, picture())
    assert await text_of(reader, picture()) == first


async def test_the_process_ends_when_nobody_needs_it_and_comes_back(make: Make) -> None:
    reader = make(idle_s=0.01)
    await reader.read(picture(), None)
    process_id = reader.process_id
    while alive(process_id):
        await asyncio.sleep(0.01)
    assert await text_of(reader, picture())


async def test_a_picture_that_kills_the_reader_is_alone_with_that(make: Make) -> None:
    reader = make()
    with pytest.raises(BrokenImage, match="crash"):
        await reader.read(picture(fake_reader.DIE), None)
    assert await text_of(reader, picture())


async def test_a_reader_killed_from_outside_is_no_pictures_fault(make: Make) -> None:
    reader = make()
    await reader.read(picture(), None)
    os.kill(reader.process_id or 0, signal.SIGKILL)
    assert await text_of(reader, picture())


async def test_a_picture_that_takes_too_long_is_given_up_with_its_process(make: Make) -> None:
    reader = make(timeout_s=0.2)
    await reader.read(picture(), None)
    process_id = reader.process_id
    with pytest.raises(BrokenImage, match=r"longer than 0\.2 s"):
        await reader.read(picture(fake_reader.SLEEP), None)
    assert not alive(process_id)


async def test_an_error_of_the_reader_says_what_it_was(make: Make) -> None:
    with pytest.raises(BrokenImage, match="it does not add up"):
        await make().read(picture(fake_reader.RAISE), None)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not hold RLIMIT_AS")
async def test_a_picture_that_needs_too_much_memory_is_refused_it(make: Make) -> None:
    with pytest.raises(BrokenImage, match="memory"):
        await make().read(picture(fake_reader.EAT_MEMORY), None)


async def test_more_than_may_wait_are_refused(make: Make) -> None:
    reader = make(max_waiting=2, timeout_s=0.5)
    await reader.read(picture(), None)
    waiting = [
        asyncio.create_task(reader.read(picture(what), None))
        for what in (fake_reader.SLEEP, fake_reader.READ)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await reader.read(picture(), None)
    with pytest.raises(BrokenImage):
        await waiting[0]
    assert await waiting[1]


async def test_whose_time_is_over_before_its_turn_costs_nothing(make: Make) -> None:
    reader = make(timeout_s=0.5)
    slow = asyncio.create_task(reader.read(picture(fake_reader.SLEEP), None))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await reader.read(picture(fake_reader.DIE), 0.1)
    with pytest.raises(BrokenImage, match="longer"):
        await slow


async def test_a_reader_that_cannot_start_is_no_pictures_fault(make: Make) -> None:
    reader = make(mode="never")
    for _ in range(2):  # the second time nobody tries
        with pytest.raises(ServiceUnavailable):
            await reader.read(picture(), None)
    assert reader.process_id is None


@pytest.mark.parametrize("shape", [(0, 5, 3), (5000, 1, 3), (4, 4)])
async def test_pictures_of_no_or_of_too_large_a_size_are_refused(
    make: Make, shape: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidRequest):
        await make().read(np.zeros(shape, np.uint8), None)


async def test_closing_ends_the_process_and_tells_who_waits(make: Make) -> None:
    reader = make()
    await reader.read(picture(), None)
    process_id = reader.process_id
    slow = asyncio.create_task(reader.read(picture(fake_reader.SLEEP), None))
    await asyncio.sleep(0.05)
    await reader.close()
    with pytest.raises(ServiceUnavailable):
        await slow
    assert not alive(process_id)


async def test_this_process_never_loads_what_reads(make: Make) -> None:
    await make().read(picture(), None)
    assert not {"cv2", "rapidocr"} & set(sys.modules)


def test_the_name_of_the_reader_has_its_version() -> None:
    assert reader_name().startswith("rapidocr 3.")
