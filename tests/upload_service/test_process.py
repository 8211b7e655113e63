"""The service as a process that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upload_service.conftest import jpeg
from viewfinder.errors import ViewfinderError
from viewfinder.rpc import open_channel
from viewfinder.settings import SharedSettings
from viewfinder.v1 import catalog_pb2, catalog_pb2_grpc, upload_pb2, upload_pb2_grpc


def _start(settings: SharedSettings) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "upload_service"],
        env={**os.environ, "VIEWFINDER_DATA_DIR": str(settings.data_dir)},
        stderr=subprocess.DEVNULL,
    )


async def _ready(settings: SharedSettings) -> None:
    async with open_channel(settings.address_of("upload"), "upload_service") as channel:
        while True:
            try:
                await catalog_pb2_grpc.CatalogServiceStub(channel).GetCatalogStats(
                    catalog_pb2.GetCatalogStatsRequest()
                )
            except ViewfinderError:
                await asyncio.sleep(0.05)
            else:
                return


def _requests(content: bytes) -> Iterator[upload_pb2.UploadRequest]:
    yield upload_pb2.UploadRequest(header=upload_pb2.UploadHeader(file_name="a.jpg"))
    yield upload_pb2.UploadRequest(chunk=content)
    yield upload_pb2.UploadRequest(end=upload_pb2.UploadEnd(size_bytes=len(content)))


@pytest.mark.slow  # starts the service twice
async def test_killed_while_uploads_come_everything_acknowledged_is_there(
    settings: SharedSettings,
) -> None:
    process = _start(settings)
    await asyncio.wait_for(_ready(settings), 30)
    acknowledged: dict[str, bytes] = {}

    async with open_channel(settings.address_of("upload"), "upload_service") as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)

        async def upload(seed: int) -> None:
            content = jpeg(seed, (200, 200))
            try:
                answer = await stub.Upload(_requests(content))
            except ViewfinderError:
                return
            acknowledged[answer.image.id] = content

        uploads = [asyncio.create_task(upload(seed)) for seed in range(100)]
        while len(acknowledged) < 20:
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        await asyncio.gather(*uploads)
    assert len(acknowledged) < 100, "killed too late to prove anything"

    process = _start(settings)
    try:
        await asyncio.wait_for(_ready(settings), 30)
        async with open_channel(settings.address_of("upload"), "upload_service") as channel:
            answer = await catalog_pb2_grpc.CatalogServiceStub(channel).GetImages(
                catalog_pb2.GetImagesRequest(ids=list(acknowledged))
            )
        assert {image.id for image in answer.images} == set(acknowledged)
        for image in answer.images:
            original = settings.originals_dir / image.blob_key
            assert original.read_bytes() == acknowledged[image.id]
        assert list((settings.originals_dir / "incoming").iterdir()) == []
    finally:
        process.terminate()
        assert process.wait(25) == 0


@pytest.mark.slow  # starts the service
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    process = subprocess.run(
        [sys.executable, "-m", "upload_service"],
        env={**os.environ, "VIEWFINDER_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 1
    assert "cannot start" in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
