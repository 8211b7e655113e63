"""Pictures to measure with: distinct crops of the sample photos, as JPEG of a few hundred kB."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from viewfinder.cli.samples import sample_pictures


def made_pictures(
    count: int, width: int = 1024, height: int = 768, seed: int = 0
) -> Iterator[bytes]:
    """`count` different JPEGs of `width` x `height` pixels; the same seed gives the same bytes."""
    random = np.random.default_rng(seed)
    samples = [_rgb(path) for path in sample_pictures()]
    for number in range(count):
        sample = samples[number % len(samples)]
        share = random.uniform(0.5, 1.0)
        crop_width, crop_height = int(sample.width * share), int(sample.height * share)
        left = int(random.integers(0, sample.width - crop_width + 1))
        top = int(random.integers(0, sample.height - crop_height + 1))
        picture = sample.resize(
            (width, height),
            Image.Resampling.BILINEAR,
            box=(left, top, left + crop_width, top + crop_height),
        )
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88, comment=f"{seed}-{number}".encode())
        yield buffer.getvalue()


def write_pictures(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """The same as files."""
    paths = []
    for number, content in enumerate(made_pictures(count, seed=seed)):
        path = folder / f"{number:06}.jpg"
        path.write_bytes(content)
        paths.append(path)
    return paths


def _rgb(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
