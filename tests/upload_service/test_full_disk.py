"""Real full disks: small file systems in memory, where this process may mount them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.upload_service.conftest import MAX_BYTES, Clock, jpeg
from upload_service.catalog import Catalog
from upload_service.database import Writer, open_catalogue
from upload_service.intake import Header, Intake
from viewfinder.blobs import OriginalStore
from viewfinder.errors import StorageFull
from viewfinder.pixels import PixelPool


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("full", ["originals", "catalogue"])
async def test_on_a_full_disk_uploads_are_refused_and_the_stored_ones_stay(
    small_disk: Path, tmp_path: Path, pixels: PixelPool, full: str
) -> None:
    folders = {"originals": tmp_path / "originals", "catalogue": tmp_path / "catalogue"}
    folders[full] = small_disk / full
    originals = OriginalStore.in_folder(folders["originals"])
    engine = await asyncio.to_thread(open_catalogue, folders["catalogue"] / "catalogue.sqlite")
    writer = Writer(engine)
    catalog = Catalog(engine, writer, 16_000, Clock())
    intake = Intake(catalog, originals, pixels, MAX_BYTES, lambda: None)

    async def send(seed: int) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield jpeg(seed, (120, 120))

        metadata = {"note": "x" * 8000}
        return (await intake.take(Header(f"{seed}.jpg", metadata=metadata), chunks())).image.id

    stored: list[str] = []

    async def send_until_refused() -> None:
        for seed in range(2000):
            stored.append(await send(seed))

    with pytest.raises(StorageFull):
        await send_until_refused()
    assert len(stored) > 1
    assert [image.id for image in catalog.get(stored)] == stored
    assert all(originals.exists(image.blob_key) for image in catalog.get(stored))
    blobs = list(folders["originals"].rglob("*.jpg"))
    assert len(blobs) == len(stored)
    assert list((folders["originals"] / "incoming").iterdir()) == []
    writer.close()
