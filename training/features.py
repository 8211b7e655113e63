"""Runs the frozen backbone once over every training picture and keeps what it saw.

Training then reads a cache instead of pictures: an epoch takes seconds. Each picture is seen as
it is, mirrored, and through random crops (some grey), because 6,000 photos are few.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from tqdm import tqdm

from training.backbone import GRID, MAP_CHANNELS, MIDDLE_CHANNELS, PICTURE_SIZE

BATCH = 16


@dataclass(frozen=True)
class Features:
    """What the backbone saw: maps float16 [n, 64, 352], middle float16 [n, 240]."""

    maps: NDArray[np.float16]
    middle: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.maps)

    def rows(self, index: NDArray[np.int64] | slice) -> Features:
        """The chosen pictures, in that order."""
        return Features(self.maps[index], self.middle[index])


def random_crop(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """45-100 % of the area, slightly other proportions, maybe mirrored, other light, or grey."""
    width, height = picture.size
    area = rng.uniform(0.45, 1.0) * width * height
    ratio = np.exp(rng.uniform(np.log(0.75), np.log(4 / 3)))
    w = min(width, round(np.sqrt(area * ratio)))
    h = min(height, round(np.sqrt(area / ratio)))
    x = int(rng.integers(0, width - w + 1))
    y = int(rng.integers(0, height - h + 1))
    picture = picture.resize(
        (PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC, box=(x, y, x + w, y + h)
    )
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(rng.uniform(0.75, 1.25))
    if rng.random() < 0.1:
        picture = picture.convert("L").convert("RGB")
    return picture


def look(path: Path, view: str) -> NDArray[np.uint8]:
    """One picture through one view ("plain", "flip", "crop1", ...): uint8 [256, 256, 3]."""
    size = (PICTURE_SIZE, PICTURE_SIZE)
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if view.startswith("crop"):
        seed = hashlib.sha256(f"{view}/{path.name}".encode()).digest()[:8]
        picture = random_crop(picture, np.random.default_rng(int.from_bytes(seed, "big")))
    elif picture.size != size:
        picture = ImageOps.fit(picture, size, Image.Resampling.BICUBIC)
    if view == "flip":
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(picture)


def extract(
    backbone: Path, pictures: Sequence[Path], view: str, cache: Path, name: str
) -> Features:
    """Features of all `pictures` through `view`, from `cache` when it was done before."""
    maps_file = cache / f"{name}.{view}.maps.npy"
    middle_file = cache / f"{name}.{view}.middle.npy"
    if not (maps_file.exists() and middle_file.exists()):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(backbone), options, providers=["CPUExecutionProvider"]
        )
        maps = np.empty((len(pictures), GRID * GRID, MAP_CHANNELS), np.float16)
        middle = np.empty((len(pictures), 2 * MIDDLE_CHANNELS), np.float16)
        for start in tqdm(range(0, len(pictures), BATCH), desc=f"{name} {view}", mininterval=2):
            rows = slice(start, start + BATCH)
            pixels = np.stack([look(path, view) for path in pictures[rows]])
            grid, mid = session.run(None, {"pixels": pixels})
            maps[rows] = grid.reshape(len(pixels), MAP_CHANNELS, -1).transpose(0, 2, 1)
            middle[rows] = mid
        np.save(maps_file, maps)
        np.save(middle_file, middle)
    return Features(np.load(maps_file, mmap_mode="r"), np.load(middle_file, mmap_mode="r"))
