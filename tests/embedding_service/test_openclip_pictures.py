"""Our preparation of pictures beside open_clip's own, on real ones. Run by `make test-models`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from embedding_service.models import openclip
from viewfinder.pictures import PixelSpec
from viewfinder.pixels import PixelPool

pytestmark = pytest.mark.openclip
SAMPLES = Path(str(skimage.data.__file__)).parent
PICTURES = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "camera.png",
            "hubble_deep_field.jpg", "motorcycle_left.png"]  # fmt: skip

# A scan in one saturated red: at reduced size JPEG's colours are not smoothed as at full size.
# And stars are next to noise.
LIMITS = {"retina.jpg": 0.5, "hubble_deep_field.jpg": 0.35}


def true_pixels(picture: Image.Image, spec: PixelSpec) -> Any:
    """What open_clip's inference transform makes, before mean and standard deviation."""
    transform = openclip.open_clip().transform.image_transform(
        spec.size,
        is_train=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        resize_mode=spec.resize_mode,
        interpolation=spec.interpolation,
        fill_color=spec.fill,
    )
    return transform(picture).permute(1, 2, 0).numpy() * 255


@pytest.fixture(scope="module")
def pool() -> Any:
    with PixelPool() as pool:
        yield pool


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_pixels_are_open_clips(pool: PixelPool, mode: Any, interpolation: Any) -> None:
    spec = PixelSpec(224, mode, interpolation, 127 if mode == "longest" else 0)
    for name in PICTURES:
        ours = pool.prepare(SAMPLES / name, spec).astype(float)
        difference = np.abs(ours - true_pixels(Image.open(SAMPLES / name), spec))
        assert difference.mean() <= LIMITS.get(name, 0.3), name


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_a_large_photo_decoded_at_reduced_size_stays_within_a_third_of_a_grey_level(
    pool: PixelPool, mode: Any
) -> None:
    large = Image.open(SAMPLES / "astronaut.png").resize((4000, 3000), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=92)
    spec = PixelSpec(224, mode)
    true = true_pixels(Image.open(io.BytesIO(file.getvalue())), spec)
    difference = np.abs(pool.prepare(file.getvalue(), spec).astype(float) - true)
    assert difference.mean() <= 0.3


@pytest.mark.parametrize("size", [(30, 500), (500, 30), (64, 64), (225, 224), (1000, 223)])
def test_odd_shapes_are_cropped_and_filled_where_open_clip_does(
    pool: PixelPool, size: tuple[int, int]
) -> None:
    picture = Image.open(SAMPLES / "coffee.png").resize(size)
    file = io.BytesIO()
    picture.save(file, "PNG")
    for mode in ("squash", "longest") if max(size) > 4 * min(size) else ("shortest", "longest"):
        spec = PixelSpec(64, mode)  # type: ignore[arg-type]
        ours = pool.prepare(file.getvalue(), spec).astype(float)
        assert np.abs(ours - true_pixels(picture, spec)).mean() <= 0.3, mode
