"""The process itself, over its socket."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from PIL import Image

from tests.image_service.conftest import Originals, Stored
from viewfinder.errors import ImageNotFound, RangeNotSatisfiable
from viewfinder.rpc import open_channel
from viewfinder.settings import SharedSettings
from viewfinder.v1 import image_pb2, image_pb2_grpc


@pytest.fixture
async def channel(originals: Originals, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a real `python -m image_service`; it must end with exit status 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "image_service"],
        env={**os.environ, "VIEWFINDER_DATA_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
    )
    try:
        settings = SharedSettings(data_dir=tmp_path)  # type: ignore[call-arg]
        async with open_channel(settings.address_of("image"), "image_service") as channel:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30
            )
            yield channel
    finally:
        process.terminate()
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log.decode()


async def content(
    channel: grpc.aio.Channel, request: image_pb2.GetContentRequest
) -> tuple[image_pb2.ContentHead, bytes]:
    stub = image_pb2_grpc.ImageServiceStub(channel)
    parts = [part async for part in stub.GetContent(request)]
    return parts[0].head, b"".join(part.chunk for part in parts[1:])


def request_for(stored: Stored, **what: object) -> image_pb2.GetContentRequest:
    return image_pb2.GetContentRequest(
        image_id=stored.image_id,
        blob_key=stored.blob_key,
        media_type=stored.media_type,
        **what,
    )


async def test_the_process_serves_originals_renditions_and_typed_errors(
    channel: grpc.aio.Channel, photo: Stored, tmp_path: Path
) -> None:
    head, data = await content(channel, request_for(photo, original=image_pb2.Original(offset=7)))
    assert data == photo.content[7:]
    assert (head.media_type, head.offset, head.size_bytes) == ("image/jpeg", 7, len(data) + 7)

    wanted = image_pb2.Rendition(width=200, format="webp")
    head, data = await content(channel, request_for(photo, rendition=wanted))
    assert Image.open(io.BytesIO(data)).size == (256, 192)
    assert (head.media_type, head.length) == ("image/webp", len(data))

    head_only, nothing = await content(
        channel, request_for(photo, rendition=wanted, head_only=True)
    )
    assert (head_only, nothing) == (head, b"")

    with pytest.raises(RangeNotSatisfiable):
        await content(channel, request_for(photo, original=image_pb2.Original(offset=10**9)))

    stub = image_pb2_grpc.ImageServiceStub(channel)
    await stub.DropRenditions(image_pb2.DropRenditionsRequest(image_ids=[photo.image_id]))
    assert not list((tmp_path / "renditions").glob("*/*"))

    (tmp_path / "originals" / photo.blob_key).unlink()
    with pytest.raises(ImageNotFound):
        await content(channel, request_for(photo, rendition=wanted))
