"""A folder of originals, and image_service's parts around a renderer that counts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_service.content import Content, ContentSource
from image_service.original import Original
from image_service.rendition_cache import RenditionCache, RenditionKey
from image_service.renditions import Renditions
from tests.hostile_files import encoded, picture
from viewfinder.blobs import OriginalStore, blob_key
from viewfinder.ids import image_id
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
def source(originals: Originals, renditions: Renditions) -> ContentSource:
    return ContentSource(originals.store, renditions, 256 << 10)


async def whole(content: Content) -> bytes:
    """All that follows the head."""
    return b"".join([chunk async for chunk in content.chunks])
