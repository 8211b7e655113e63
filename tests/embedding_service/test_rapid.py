"""RapidOCR itself, in its process: what it reads, and where it says that stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.reader import PictureReader
from viewfinder.errors import Overloaded
from viewfinder.pictures import ReadWord

pytestmark = pytest.mark.slow  # the process starts in seconds, and loads three models

Read = Callable[[Image.Image], list[ReadWord]]
SIGN = {
    "Hello": (60, 30),
    "brave": (300, 30),
    "Invoice": (60, 130),
    "4711": (480, 220),
    "Danger": (60, 310),
}


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    reader = PictureReader(ReaderLimits(), idle_s=60)
    with asyncio.Runner() as runner:
        yield lambda picture: runner.run(reader.read(np.asarray(picture.convert("RGB")), None))
        runner.run(reader.close())


def font(size: int) -> Any:
    return ImageFont.load_default(size)


def sign() -> tuple[Image.Image, dict[str, tuple[float, float, float, float]]]:
    """A picture, and where its words stand in it, in shares."""
    picture = Image.new("RGB", (800, 400), "white")
    draw = ImageDraw.Draw(picture)
    boxes = {}
    for word, place in SIGN.items():
        draw.text(place, word, fill="navy", font=font(48))
        left, top, right, bottom = draw.textbbox(place, word, font=font(48))
        boxes[word] = (left / 800, top / 400, right / 800, bottom / 400)
    return picture, boxes


def assert_covers(word: ReadWord, box: tuple[float, float, float, float]) -> None:
    """Most of the box, and not much more than it."""
    left, top, right, bottom = box
    wide = min(word.right, right) - max(word.left, left)
    high = min(word.bottom, bottom) - max(word.top, top)
    assert wide > 0.8 * (right - left), word
    assert high > 0.8 * (bottom - top), word
    assert word.right - word.left < 2.2 * (right - left), word
    assert word.bottom - word.top < 2.2 * (bottom - top), word


def test_words_are_read_and_stand_where_they_were_written(read: Read) -> None:
    picture, boxes = sign()
    words = read(picture)
    assert [word.text for word in words] == list(SIGN)
    assert [word.line for word in words] == [0, 0, 1, 2, 3]
    for word in words:
        assert word.confidence > 0.9
        assert_covers(word, boxes[word.text])


def test_a_picture_upside_down_is_read_and_its_boxes_are_where_the_words_are(read: Read) -> None:
    picture, boxes = sign()
    words = read(picture.rotate(180))
    assert {word.text for word in words} == set(SIGN)
    for word in words:
        left, top, right, bottom = boxes[word.text]
        assert_covers(word, (1 - right, 1 - bottom, 1 - left, 1 - top))


def test_a_picture_on_its_side_is_read_too(read: Read) -> None:
    picture, boxes = sign()
    words = read(picture.rotate(90, expand=True))
    assert {word.text for word in words} == set(SIGN)
    for word in words:
        left, top, right, bottom = boxes[word.text]
        assert_covers(word, (top, 1 - right, bottom, 1 - left))


def test_photos_without_text_have_no_words(read: Read) -> None:
    samples: Any = data
    for sample in (samples.cat(), samples.coffee(), samples.rocket()):
        large = Image.fromarray(sample).resize((1600, 1200))
        assert read(large) == []


def test_a_word_in_a_photo_is_found(read: Read) -> None:
    samples: Any = data
    photo = Image.fromarray(samples.coffee()).resize((1800, 1200))
    ImageDraw.Draw(photo).text((300, 900), "BAKERY", fill="white", font=font(70))
    assert [word.text for word in read(photo)] == ["BAKERY"]


def test_a_page_of_small_print_is_read(read: Read) -> None:
    page = Image.new("RGB", (1240, 800), "white")
    lines = [f"Clause {number}: the customer pays {number * 37} Euro" for number in range(1, 13)]
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((100, 60 + 55 * number), line, fill="black", font=font(22))
    words = read(page)
    wanted = [word for line in lines for word in line.split()]
    found = {word.text for word in words}
    assert sum(word in found for word in wanted) >= 0.95 * len(wanted)
    assert [word.text for word in words if word.line == 2][:2] == ["Clause", "3:"]


def test_a_picture_that_takes_long_lets_others_through_and_goes_on() -> None:
    pixels = np.asarray(sign()[0])
    reader = PictureReader(ReaderLimits(reading_s=0), idle_s=60)
    with asyncio.Runner() as runner:
        refused, words = 0, None
        while words is None and refused < 10:
            try:
                words = runner.run(reader.read(pixels, None))
            except Overloaded:
                refused += 1
        runner.run(reader.close())
    assert words is not None
    assert [word.text for word in words] == list(SIGN)
    assert refused > 0


def test_nothing_is_a_picture_too(read: Read) -> None:
    assert read(Image.new("RGB", (1, 1))) == []
    assert read(Image.new("RGB", (1500, 900), "white")) == []
