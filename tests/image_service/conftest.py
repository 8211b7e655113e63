"""A folder of originals, and image_service's parts around a renderer that counts."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from image_service.content import Content, ContentSource
from image_service.embedding_client import HeatEncoder
from image_service.heatmaps import Heatmaps
from image_service.original import Original
from image_service.rendition_cache import RenditionCache, RenditionKey
from image_service.renditions import Renditions
from tests.hostile_files import encoded, picture
from viewfinder.blobs import OriginalStore, blob_key
from viewfinder.errors import ViewfinderError
from viewfinder.ids import image_id
from viewfinder.pictures import PixelSpec
from viewfinder.pixels import PixelPool

WIDTHS = (64, 128, 320)


@dataclass(frozen=True)
class Stored:
    """An original in the blob store."""

    image_id: str
    blob_key: str
    media_type: str
    content: bytes


class Originals:
    """The real blob store, with a short way to put a picture into it."""

    def __init__(self, folder: Path) -> None:
        self.store = OriginalStore.in_folder(folder)

    def add(self, content: bytes, media_type: str = "image/jpeg") -> Stored:
        digest = hashlib.sha256(content)
        key = blob_key(digest.hexdigest(), media_type)
        temporary = self.store.new_temporary()
        temporary.write_bytes(content)
        self.store.keep(temporary, key)
        return Stored(str(image_id(digest.digest())), key, media_type, content)


class CountingRenderer:
    """Renders with a real pool; counts, and waits at a gate that a test may close."""

    def __init__(self, pool: PixelPool, originals: Originals) -> None:
        self.rendered: list[RenditionKey] = []
        self.gate = threading.Event()
        self.gate.set()
        self._pool = pool
        self._originals = originals

    def __call__(self, original: Original, rendition: RenditionKey) -> bytes:
        self.rendered.append(rendition)
        assert self.gate.wait(30)
        source = original.source(self._originals.store)
        return self._pool.render(source, rendition.width, rendition.format)


LEFT = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)


class FakeEncoder:
    """Sees every text on the left; counts, and fails as a test tells it."""

    def __init__(self) -> None:
        self.encoders = {"": HeatEncoder("fake", "r1", PixelSpec(8, "squash"))}
        self.seen: list[tuple[str, str]] = []
        self.failure: ViewfinderError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def encoder(self, name: str) -> HeatEncoder:
        return self.encoders[name]

    async def heat(
        self, pixels: NDArray[np.uint8], text: str, encoder: HeatEncoder
    ) -> NDArray[np.float32]:
        assert pixels.shape == (8, 8, 3)
        self.seen.append((text, encoder.revision))
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return LEFT


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="session")
def pool() -> Iterator[PixelPool]:
    with PixelPool() as pool:
        yield pool


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    return Originals(tmp_path / "originals")


@pytest.fixture
def photo(originals: Originals) -> Stored:
    return originals.add(encoded("JPEG", picture(size=(400, 300))))


@pytest.fixture
def renderer(pool: PixelPool, originals: Originals) -> CountingRenderer:
    return CountingRenderer(pool, originals)


@pytest.fixture
def cache(tmp_path: Path) -> RenditionCache:
    return RenditionCache(tmp_path / "renditions", 10 << 20)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def renditions(
    cache: RenditionCache, renderer: CountingRenderer, clock: Clock
) -> Iterator[Renditions]:
    with ThreadPoolExecutor(1) as executor:
        yield Renditions(cache, renderer, executor, WIDTHS, 100, clock)
        renderer.gate.set()


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def heatmaps(
    renditions: Renditions, originals: Originals, pool: PixelPool, encoder: FakeEncoder
) -> Iterator[Heatmaps]:
    with ThreadPoolExecutor(1) as executor:
        yield Heatmaps(renditions, originals.store, pool, encoder, executor)


@pytest.fixture
def source(originals: Originals, renditions: Renditions, heatmaps: Heatmaps) -> ContentSource:
    return ContentSource(originals.store, renditions, heatmaps, 256 << 10)


async def whole(content: Content) -> bytes:
    """All that follows the head."""
    return b"".join([chunk async for chunk in content.chunks])
