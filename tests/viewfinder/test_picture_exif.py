"""What is read from EXIF, and what is left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from tests.hostile_files import encoded
from viewfinder.pixels import PictureExif, PixelPool

MAKE, MODEL, DATE, EXIF_IFD, GPS_IFD = 0x010F, 0x0110, 0x0132, 0x8769, 0x8825
ORIGINAL, ORIGINAL_OFFSET = 0x9003, 0x9011
NAN = IFDRational(0, 0)


@pytest.fixture(scope="module")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


def read(
    pool: PixelPool,
    main: dict[int, object] | None = None,
    details: dict[int, object] | None = None,
    gps: dict[int, object] | None = None,
    image_format: str = "JPEG",
) -> PictureExif:
    exif = Image.Exif()
    for tag, value in (main or {}).items():
        exif[tag] = value
    for directory, values in ((EXIF_IFD, details), (GPS_IFD, gps)):
        if values:
            exif.get_ifd(directory).update(values)
    return pool.inspect(encoded(image_format, exif=exif.tobytes()), "photo").exif


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_time_camera_and_place_are_read_from_every_format(
    pool: PixelPool, image_format: str
) -> None:
    exif = read(
        pool,
        {MAKE: "Leica ", MODEL: "M11\0junk"},
        {ORIGINAL: "2024:05:06 07:08:09", ORIGINAL_OFFSET: "+02:00"},
        {1: "S", 2: (33.0, 30.0, 0.0), 3: "W", 4: (70.0, 15.0, 36.0)},
        image_format,
    )
    assert exif == PictureExif(
        taken_at="2024-05-06T07:08:09+02:00",
        camera_make="Leica",
        camera_model="M11",
        latitude=-33.5,
        longitude=-70.26,
    )


def test_a_time_without_offset_stays_without(pool: PixelPool) -> None:
    assert read(pool, details={ORIGINAL: "2024:05:06 07:08:09"}).taken_at == "2024-05-06T07:08:09"


def test_the_time_of_change_stands_in_for_that_of_the_shot(pool: PixelPool) -> None:
    assert read(pool, {DATE: "2020:01:02 03:04:05"}).taken_at == "2020-01-02T03:04:05"


@pytest.mark.parametrize(
    "text", ["0000:00:00 00:00:00", "2024:13:40 25:61:61", "yesterday", "", "    :  :     :  :  "]
)
def test_an_absurd_time_is_left_out(pool: PixelPool, text: str) -> None:
    assert read(pool, details={ORIGINAL: text}).taken_at is None


def test_an_absurd_offset_is_left_out(pool: PixelPool) -> None:
    details = {ORIGINAL: "2024:05:06 07:08:09", ORIGINAL_OFFSET: "+99:99"}
    assert read(pool, details=details).taken_at == "2024-05-06T07:08:09"


@pytest.mark.parametrize(
    "latitude",
    [
        (91.0, 0.0, 0.0),
        (NAN, 0.0, 0.0),
        (1.0, NAN, NAN),
        (10.0, 75.0, 0.0),
        (10.0,),
        (IFDRational(1, 0), 0.0, 0.0),
    ],
    ids=str,
)
def test_an_absurd_place_is_left_out(pool: PixelPool, latitude: object) -> None:
    exif = read(pool, gps={1: "N", 2: latitude, 3: "E", 4: (8.0, 0.0, 0.0)})
    assert (exif.latitude, exif.longitude) == (None, None)


def test_the_place_of_a_phone_that_does_not_know_is_left_out(pool: PixelPool) -> None:
    zero = (0.0, 0.0, 0.0)
    assert read(pool, gps={1: "N", 2: zero, 3: "E", 4: zero}).latitude is None


def test_an_unknown_orientation_means_upright(pool: PixelPool) -> None:
    assert read(pool, {0x0112: 99}).orientation == 1


def test_control_characters_of_a_camera_name_are_gone(pool: PixelPool) -> None:
    assert read(pool, {MAKE: "A\x1b[31m\r\nB" + "x" * 500}).camera_make == ("A [31m B" + "x" * 92)
