"""Heat maps: what is drawn where, how often it is made, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from image_service.content import ContentSource
from image_service.heat_overlay import Box, heated, marked, overlay, placed, shrunk
from image_service.heatmaps import MAX_BOXES, MAX_QUERY_CHARS, Heatmaps, WantedHeatmap
from image_service.original import Original
from tests.hostile_files import encoded, picture
from tests.image_service.conftest import LEFT, FakeEncoder, Originals, Stored, whole
from viewfinder.errors import (
    ImageNotFound,
    InvalidRequest,
    NotExplainable,
    ServiceUnavailable,
)
from viewfinder.pictures import PixelSpec

WANTED = WantedHeatmap(query="a cat", encoder="", boxes=(), width=320, format="webp")
BOX = Box(0.25, 0.25, 0.5, 0.5)


async def drawn(heatmaps: Heatmaps, photo: Stored, wanted: WantedHeatmap) -> Image.Image:
    _, data = await heatmaps.get(UUID(photo.image_id), Original(photo.blob_key), wanted)
    return Image.open(io.BytesIO(data))


def brightness(image: Image.Image, part: tuple[float, float, float, float]) -> float:
    width, height = image.size
    box = [round(share * side) for share, side in zip(part, (width, height) * 2, strict=True)]
    return float(np.asarray(image.convert("L").crop(tuple(box))).mean())  # type: ignore[arg-type]


# --- what is drawn ---


async def test_the_picture_is_dark_where_nothing_is_seen(
    heatmaps: Heatmaps, originals: Originals
) -> None:
    photo = originals.add(encoded("JPEG", Image.new("RGB", (400, 300), (120, 120, 120))))
    image = await drawn(heatmaps, photo, WANTED)
    assert (image.format, image.size) == ("WEBP", (320, 240))
    assert brightness(image, (0, 0, 0.2, 1)) > 110
    assert brightness(image, (0.8, 0, 1, 1)) < 90


async def test_boxes_are_drawn_without_asking_the_encoder(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder
) -> None:
    wanted = WantedHeatmap("", "", (BOX,), 400, "jpeg")
    image = await drawn(heatmaps, photo, wanted)
    assert image.format == "JPEG"
    assert encoder.seen == []


def test_a_box_marks_its_place_and_nothing_else() -> None:
    image = marked(Image.new("RGB", (100, 100), "white"), [BOX])
    pixels = np.asarray(image)
    assert tuple(pixels[35, 35]) == (255, 234, 166)  # still light enough to read what is there
    assert tuple(pixels[80, 80]) == (255, 255, 255)
    assert tuple(pixels[24, 30]) != (255, 255, 255)


def test_a_box_without_area_is_still_to_be_seen() -> None:
    image = marked(Image.new("RGB", (100, 100), "white"), [Box(0.5, 0.5, 0.5, 0.5)])
    assert (np.asarray(image) != 255).any()


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (101, 64)])
def test_the_map_of_a_centre_crop_lies_over_the_centre(width: int, height: int) -> None:
    heat = placed(np.ones((2, 2), np.float32), PixelSpec(8, "shortest"), width, height)
    side = min(width, height)
    assert heat.shape == (height, width)
    assert heat.sum() == pytest.approx(side * side)
    left, top = (width - side) // 2, (height - side) // 2
    assert heat[top : top + side, left : left + side].min() == pytest.approx(1)


def test_the_map_of_a_squashed_picture_lies_over_all_of_it() -> None:
    heat = placed(LEFT, PixelSpec(8, "squash"), 300, 100)
    assert heat[:, :50].mean() > 0.9
    assert heat[:, -50:].mean() < 0.1


def test_what_was_filled_in_beside_the_picture_has_no_place_on_it() -> None:
    cells = np.array([[0.0, 0.0], [1.0, 1.0]], np.float32)
    heat = placed(cells, PixelSpec(8, "longest"), 200, 100)
    assert heat.shape == (100, 200)
    assert heat[0].mean() < heat[-1].mean()
    whole_square = placed(cells, PixelSpec(8, "longest"), 200, 200)
    np.testing.assert_allclose(heat, whole_square[50:150])


def test_more_heat_is_never_darker() -> None:
    grey = np.full((1, 256, 3), 100, np.uint8)
    lightness = heated(grey, np.linspace(0, 1, 256, dtype=np.float32)[None])[0].mean(axis=1)
    assert lightness[0] < 60
    assert lightness[-1] > 140
    assert (np.diff(lightness) > -3).all()


def test_a_picture_is_never_enlarged() -> None:
    small = np.zeros((20, 30, 3), np.uint8)
    assert shrunk(small, 320).shape == (20, 30, 3)
    assert shrunk(small, 15).shape == (10, 15, 3)
    assert Image.open(io.BytesIO(overlay(small, None, [BOX], "webp"))).size == (30, 20)


# --- how often ---


async def test_a_heat_map_is_made_once_however_many_ask(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder
) -> None:
    encoder.may_answer.clear()
    asking = [asyncio.create_task(drawn(heatmaps, photo, WANTED)) for _ in range(5)]
    while not encoder.seen:
        await asyncio.sleep(0.001)
    encoder.may_answer.set()
    await asyncio.gather(*asking)
    await drawn(heatmaps, photo, WANTED)
    assert encoder.seen == [("a cat", "r1")]


@pytest.mark.parametrize(
    "other",
    [
        replace(WANTED, query="a dog"),
        replace(WANTED, boxes=(BOX,)),
        replace(WANTED, width=64),
        replace(WANTED, format="jpeg"),
        replace(WANTED, encoder="newer"),
    ],
)
async def test_whatever_changes_the_picture_changes_its_etag(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder, other: WantedHeatmap
) -> None:
    encoder.encoders["newer"] = replace(encoder.encoders[""], revision="r2")
    etags = []
    for wanted in (WANTED, other, WANTED):
        original = Original(photo.blob_key)
        etags.append((await heatmaps.get(UUID(photo.image_id), original, wanted))[0].etag)
    assert etags[0] == etags[2] != etags[1]
    assert len(encoder.seen) == 2


async def test_heat_maps_are_dropped_with_the_other_renditions(
    source: ContentSource, photo: Stored, encoder: FakeEncoder
) -> None:
    content = await source.heatmap(photo.image_id, Original(photo.blob_key), WANTED)
    assert len(await whole(content)) == content.length
    await source.drop_renditions([photo.image_id])
    await source.heatmap(photo.image_id, Original(photo.blob_key), WANTED)
    assert len(encoder.seen) == 2


async def test_what_is_cached_needs_no_encoder_any_more(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder
) -> None:
    await drawn(heatmaps, photo, WANTED)
    encoder.failure = ServiceUnavailable("embedding_service")
    await drawn(heatmaps, photo, WANTED)
    with pytest.raises(ServiceUnavailable):
        await drawn(heatmaps, photo, replace(WANTED, query="a dog"))


# --- what cannot be ---


async def test_an_encoder_that_is_away_is_asked_again_the_next_time(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder
) -> None:
    encoder.failure = ServiceUnavailable("embedding_service")
    with pytest.raises(ServiceUnavailable):
        await drawn(heatmaps, photo, WANTED)
    encoder.failure = None
    await drawn(heatmaps, photo, WANTED)


async def test_an_encoder_without_heat_maps_is_what_the_caller_hears_of(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder
) -> None:
    encoder.failure = NotExplainable(encoder="old", reason="export it again")
    with pytest.raises(NotExplainable, match="export it again"):
        await drawn(heatmaps, photo, WANTED)


@pytest.mark.parametrize(
    "wanted",
    [
        replace(WANTED, query=""),
        replace(WANTED, query="x" * (MAX_QUERY_CHARS + 1)),
        replace(WANTED, boxes=(BOX,) * (MAX_BOXES + 1)),
        replace(WANTED, boxes=(Box(0.5, 0, 0.4, 1),)),
        replace(WANTED, boxes=(Box(0, 0, 1, 1.5),)),
        replace(WANTED, boxes=(Box(float("nan"), 0, 1, 1),)),
    ],
)
async def test_wrong_marks_are_refused(
    heatmaps: Heatmaps, photo: Stored, encoder: FakeEncoder, wanted: WantedHeatmap
) -> None:
    with pytest.raises(InvalidRequest):
        await drawn(heatmaps, photo, wanted)
    assert encoder.seen == []


async def test_an_original_that_is_not_there_is_no_picture(
    heatmaps: Heatmaps, photo: Stored
) -> None:
    missing = replace(photo, blob_key=f"ab/{'ab' * 32}.jpg")
    with pytest.raises(ImageNotFound):
        await drawn(heatmaps, missing, WANTED)


async def test_a_portrait_is_as_wide_as_asked(heatmaps: Heatmaps, originals: Originals) -> None:
    photo = originals.add(encoded("JPEG", picture(size=(300, 500))))
    assert (await drawn(heatmaps, photo, replace(WANTED, width=128))).size == (128, 213)
