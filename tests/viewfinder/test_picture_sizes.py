"""Sizes that pictures and pages are drawn at."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewfinder.errors import InvalidRequest
from viewfinder.picture_sizes import page_size, within
from viewfinder.pictures import PixelSpec
from viewfinder.pixel_spec_wire import pixel_spec_message, pixel_spec_of

COLQWEN = PixelSpec(0, "within", multiple=28, min_pixels=4 * 28 * 28, max_pixels=768 * 28 * 28)


def smart_resize(height: int, width: int, factor: int, least: int, most: int) -> tuple[int, int]:
    """As in transformers 4.57, models/qwen2_vl/image_processing_qwen2_vl.py."""
    assert max(height, width) / min(height, width) <= 200
    h_bar = round(height / factor) * factor
    w_bar = round(width / factor) * factor
    if h_bar * w_bar > most:
        beta = math.sqrt((height * width) / most)
        h_bar = max(factor, math.floor(height / beta / factor) * factor)
        w_bar = max(factor, math.floor(width / beta / factor) * factor)
    elif h_bar * w_bar < least:
        beta = math.sqrt(least / (height * width))
        h_bar = math.ceil(height * beta / factor) * factor
        w_bar = math.ceil(width * beta / factor) * factor
    return h_bar, w_bar


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_the_processors_own_resize_changes_nothing(width: int, height: int) -> None:
    wide, high = within(width, height, COLQWEN)
    assert smart_resize(high, wide, 28, COLQWEN.min_pixels, COLQWEN.max_pixels) == (high, wide)
    assert COLQWEN.min_pixels <= wide * high <= COLQWEN.max_pixels


@given(st.integers(100, 4000), st.integers(100, 4000))
def test_ordinary_pictures_get_the_processors_own_size(width: int, height: int) -> None:
    wanted = smart_resize(height, width, 28, COLQWEN.min_pixels, COLQWEN.max_pixels)
    assert within(width, height, COLQWEN) == wanted[::-1]


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9))
def test_pages_of_any_size_stay_within_the_limits(width: float, height: float) -> None:
    wide, high = page_size(width, height)
    assert 1 <= wide <= 2000
    assert 1 <= high <= 2000
    assert wide * high <= 4_010_000  # each side is rounded


@pytest.mark.parametrize("side", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_size_is_refused(side: float) -> None:
    with pytest.raises(ValueError, match="no size"):
        page_size(side, 100.0)


def test_a_spec_arrives_as_it_was_sent() -> None:
    for spec in (COLQWEN, PixelSpec(224), PixelSpec(384, "longest", "bilinear", 127)):
        assert pixel_spec_of(pixel_spec_message(spec)) == spec


@pytest.mark.parametrize(("multiple", "least", "most"), [(0, 0, 9), (28, 9, 100), (8, 99, 64)])
def test_a_spec_that_no_picture_can_meet_is_refused(multiple: int, least: int, most: int) -> None:
    with pytest.raises(InvalidRequest):
        PixelSpec.checked(0, "within", "bicubic", 0, multiple, least, most)


def test_what_belongs_to_within_is_stored_only_there() -> None:
    assert PixelSpec(224).as_json().keys() == {"size", "resize_mode", "interpolation", "fill"}
    assert PixelSpec(**COLQWEN.as_json()) == COLQWEN
