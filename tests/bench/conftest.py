"""An encoder that knows three colours, and pictures of one colour each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from viewfinder.pixels import PixelPool, PixelSpec

if importlib.util.find_spec("open_clip") is None:
    collect_ignore_glob = ["test_openclip_*.py"]  # `make test-models` runs them

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


class ColourEncoder:
    """Texts by the colour they name, pictures by their mean colour.

    `blind` to a colour: it takes that for grey. `is_broken`: it makes NaN of pictures.
    """

    device = "cpu"

    def __init__(
        self, size: int = 8, *, blind: str = "", is_broken: bool = False, max_batch: int = 4
    ) -> None:
        self.spec = EncoderSpec(f"colours{size}", "r1", "dense", 3, PixelSpec(size))
        self.max_batch = max_batch
        self.batches: list[int] = []
        self._blind = blind
        self._is_broken = is_broken

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        return np.stack([_unit(self._named(text)) for text in texts])

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        self.batches.append(len(pixels))
        means = pixels.reshape(len(pixels), -1, 3).mean(1)
        vectors = np.stack([_unit(mean) for mean in means])
        return vectors * np.float32("nan") if self._is_broken else vectors

    def warm_up(self) -> None:
        pass

    def _named(self, text: str) -> Sequence[float]:
        for name, colour in COLOURS.items():
            if name in text and name != self._blind:
                return colour
        return (1, 1, 1)


def _unit(vector: Sequence[float] | FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@pytest.fixture(scope="session")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as one:
        yield one


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a picture of one colour under a name, which may have folders."""

    def write(name: str, colour: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), COLOURS[colour]).save(path)
        return path

    return write
