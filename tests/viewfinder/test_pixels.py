"""What the encoder and the browser get to see: right pixels of every format and mode."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.hostile_files import encoded
from viewfinder.pixels import PixelPool, PixelSpec

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 30), (30, 30, 220), (250, 250, 250)
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"]
TURNS = range(1, 9)
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in FORMATS} | {"HEIF": "image/heic"}


@pytest.fixture(scope="module")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


def quarters(width: int = 120, height: int = 80) -> Image.Image:
    """Red green / blue white: tells every turn from every other."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def turned_away(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera stores them that notes this orientation."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return image.transpose(undo[orientation]) if orientation in undo else image


def corner_colours(pixels: np.ndarray) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    at = [(height // 6, width // 6), (height // 6, -width // 6)]
    at += [(-height // 6, width // 6), (-height // 6, -width // 6)]
    return [tuple(int(value) for value in pixels[place]) for place in at]


def assert_quarters(pixels: np.ndarray) -> None:
    for found, expected in zip(corner_colours(pixels), (RED, GREEN, BLUE, WHITE), strict=True):
        assert np.abs(np.subtract(found, expected)).max() < 25, corner_colours(pixels)


def with_orientation(image_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = turned_away(quarters(), orientation)
    options = {"quality": 95} if image_format in ("JPEG", "WEBP", "HEIF", "AVIF") else {}
    return encoded(image_format, image, exif=exif.tobytes(), **options)


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_is_told_by_its_content_and_decoded(
    pool: PixelPool, image_format: str
) -> None:
    content = encoded(image_format, quarters())
    info = pool.inspect(content, "name.txt")
    assert (info.media_type, info.width, info.height) == (MEDIA_TYPES[image_format], 120, 80)
    assert_quarters(pool.prepare(content, PixelSpec(48, "squash")))


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_turned_picture_is_seen_upright(
    pool: PixelPool, image_format: str, orientation: int
) -> None:
    content = with_orientation(image_format, orientation)
    info = pool.inspect(content, "turned")
    assert (info.width, info.height) == (120, 80)
    assert_quarters(pool.prepare(content, PixelSpec(48, "squash")))
    rendition = Image.open(io.BytesIO(pool.render(content, 60, "webp")))
    assert rendition.size == (60, 40)
    assert_quarters(np.asarray(rendition))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "I"])
def test_every_mode_keeps_its_brightness(pool: PixelPool, mode: str) -> None:
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)[None, :].repeat(64, axis=0)
    grey = Image.fromarray(ramp)
    if mode in ("I;16", "I"):
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
        image = image if mode == "I;16" else image.convert("I")
    else:
        image = grey.convert(mode)
    content = encoded("TIFF" if mode == "I" else "PNG", image)
    pixels = pool.prepare(content, PixelSpec(64, "squash"))
    assert pixels.shape == (64, 64, 3)
    columns = pixels.mean(axis=(0, 2))
    assert np.abs(columns[8:56] - ramp[0, 8:56]).mean() < (60 if mode == "1" else 4)
    assert columns[:8].mean() < 40
    assert columns[-8:].mean() > 215


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk_is_shown_in_its_colours(pool: PixelPool, image_format: str) -> None:
    content = encoded(image_format, quarters().convert("CMYK"))
    assert_quarters(pool.prepare(content, PixelSpec(48, "squash")))


def test_floating_point_tiff_is_scaled_to_grey(pool: PixelPool) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None, :].repeat(64, axis=0)
    pixels = pool.prepare(encoded("TIFF", Image.fromarray(ramp)), PixelSpec(64))
    assert pixels[:, :4].mean() < 20
    assert pixels[:, -4:].mean() > 235


@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_transparency_lies_on_white(pool: PixelPool, image_format: str) -> None:
    content = encoded(image_format, Image.new("RGBA", (40, 40), (0, 0, 0, 0)))
    assert pool.prepare(content, PixelSpec(16)).min() > 250
    rendition = Image.open(io.BytesIO(pool.render(content, 40, "jpeg")))
    assert np.asarray(rendition).min() > 250


def test_a_transparent_palette_lies_on_white(pool: PixelPool) -> None:
    image = Image.new("P", (40, 40), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    content = encoded("PNG", image, transparency=0)
    assert pool.prepare(content, PixelSpec(16)).min() > 250


def test_only_the_first_frame_counts(pool: PixelPool) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    content = encoded("GIF", frames[0], save_all=True, append_images=frames[1:])
    assert pool.inspect(content, "a.gif").frames == 3
    assert np.abs(pool.prepare(content, PixelSpec(16)) - np.array(RED)).max() < 10


@pytest.mark.parametrize("resize_mode", ["shortest", "squash"])
def test_drafting_changes_next_to_nothing(pool: PixelPool, resize_mode: str) -> None:
    photo = Image.fromarray(skimage.data.astronaut()).resize((2400, 1800), Image.Resampling.LANCZOS)
    spec = PixelSpec(224, resize_mode)  # type: ignore[arg-type]
    drafted = pool.prepare(encoded("JPEG", photo, quality=92), spec)
    whole = pool.prepare(encoded("BMP", photo), spec)
    assert np.abs(drafted.astype(int) - whole).mean() < 1.0


def test_shortest_takes_the_centre_square(pool: PixelPool) -> None:
    image = Image.new("RGB", (300, 100), RED)
    image.paste(BLUE, (100, 0, 200, 100))
    pixels = pool.prepare(encoded("PNG", image), PixelSpec(50))
    assert np.abs(pixels[5:-5, 5:-5] - np.array(BLUE)).max() < 3


def test_a_rendition_is_never_enlarged(pool: PixelPool) -> None:
    rendition = pool.render(encoded("PNG", quarters(50, 30)), 640, "webp")
    assert Image.open(io.BytesIO(rendition)).size == (50, 30)


def test_a_rendition_of_a_strip_has_a_bounded_height(pool: PixelPool) -> None:
    rendition = pool.render(encoded("PNG", Image.new("L", (10, 100_000))), 64, "webp")
    assert Image.open(io.BytesIO(rendition)).height <= 256


def test_a_path_and_its_bytes_give_the_same_pixels(pool: PixelPool, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encoded("JPEG", quarters()))
    from_path = pool.prepare(path, PixelSpec(48))
    assert np.array_equal(from_path, pool.prepare(path.read_bytes(), PixelSpec(48)))


def test_a_missing_file_is_an_os_error(pool: PixelPool, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pool.prepare(tmp_path / "nothing.jpg", PixelSpec(16))
