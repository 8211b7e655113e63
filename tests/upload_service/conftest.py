"""A catalogue in a folder, with a clock that tests set and a pixel pool that is real."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from upload_service.catalog import Catalog
from upload_service.claims import Claims
from upload_service.database import Writer, open_catalogue
from upload_service.intake import Header, Intake, Taken
from upload_service.jobs import Changes, Jobs
from upload_service.reindexing import Reindexing
from viewfinder.blobs import OriginalStore
from viewfinder.pixels import PixelLimits, PixelPool

MAX_BYTES = 2_000_000


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """All of upload_service below its adapter."""

    folder: Path
    catalog: Catalog
    claims: Claims
    reindexing: Reindexing
    jobs: Jobs
    intake: Intake
    originals: OriginalStore
    clock: Clock
    writer: Writer
    taken: list[None] = field(default_factory=list)

    async def take(self, content: bytes, name: str = "a.jpg", **header: object) -> Taken:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 10_000):
                yield content[start : start + 10_000]

        return await self.intake.take(Header(file_name=name, **header), chunks())  # type: ignore[arg-type]

    def files(self) -> list[str]:
        """Everything in the store of originals."""
        root = self.folder / "originals"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def pixels() -> Iterator[PixelPool]:
    with PixelPool(processes=1, limits=PixelLimits(max_pixels=1_000_000)) as pool:
        yield pool


@pytest.fixture
async def house(tmp_path: Path, pixels: PixelPool) -> AsyncIterator[House]:
    clock = Clock()
    originals = OriginalStore.in_folder(tmp_path / "originals")
    engine = await asyncio.to_thread(open_catalogue, tmp_path / "catalogue" / "catalogue.sqlite")
    writer = Writer(engine)
    catalog = Catalog(engine, writer, 1000, clock)
    reindexing = Reindexing(writer, clock, share=1.0)
    claims = Claims(writer, reindexing, originals.delete, clock)
    taken: list[None] = []
    intake = Intake(catalog, originals, pixels, MAX_BYTES, lambda: taken.append(None))
    jobs = Jobs(engine, Changes())
    yield House(
        tmp_path, catalog, claims, reindexing, jobs, intake, originals, clock, writer, taken
    )
    writer.close()


def jpeg(seed: int = 0, size: tuple[int, int] = (40, 30)) -> bytes:
    noise = np.random.default_rng(seed)
    buffer = io.BytesIO()
    pixels = noise.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
