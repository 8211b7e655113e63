"""ReadPicture over gRPC, with a reader that stands in for the models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.reader import PictureReader
from embedding_service.service import FULL_NAME, EmbeddingAdapter
from tests.embedding_service import fake_reader
from tests.embedding_service.conftest import no_other
from viewfinder import rpc
from viewfinder.errors import BrokenImage, InvalidRequest
from viewfinder.rpc_server import RpcServer
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc


@pytest.fixture
async def reading_stub(embedder: Embedder, tmp_path: Path) -> AsyncIterator[Any]:
    program = (str(Path(fake_reader.__file__)), "works")
    reader = PictureReader(ReaderLimits(), 60, name="fake 1", program=program)
    address = f"unix:{tmp_path}/r.sock"
    server = RpcServer(address, grace_s=1)
    server.add(
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
        EmbeddingAdapter(EmbedderSet(embedder, no_other), reader),
        FULL_NAME,
    )
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    channel = rpc.open_channel(address, "embedding_service")
    yield embedding_pb2_grpc.EmbeddingServiceStub(channel)
    await channel.close()
    server.stop()
    await running
    await reader.close()


def request(what: int = fake_reader.READ, count: int = 1) -> embedding_pb2.ReadPictureRequest:
    data = np.full((count, 4, 6, 3), what, np.uint8).tobytes()
    pixels = common_pb2.Pixels(data=data, count=count, height=4, width=6)
    return embedding_pb2.ReadPictureRequest(pixels=pixels)


async def test_the_words_of_a_picture_come_with_what_read_them(reading_stub: Any) -> None:
    text = (await reading_stub.ReadPicture(request(), timeout=60)).text
    assert (text.source, text.reader) == ("ocr", "fake 1")
    assert [word.text for word in text.words][:3] == ["6", "x", "4"]
    assert text.words[0].confidence == pytest.approx(0.9)


async def test_a_picture_that_breaks_the_reader_is_an_error_that_says_so(
    reading_stub: Any,
) -> None:
    with pytest.raises(BrokenImage, match="crash"):
        await reading_stub.ReadPicture(request(fake_reader.DIE), timeout=60)


async def test_one_picture_a_call(reading_stub: Any) -> None:
    with pytest.raises(InvalidRequest):
        await reading_stub.ReadPicture(request(count=2), timeout=60)


@pytest.mark.parametrize("document", [False, True])
async def test_the_spec_says_who_reads(reading_stub: Any, document: bool) -> None:
    answer = await reading_stub.GetSpec(embedding_pb2.GetSpecRequest(document=document))
    assert answer.reader == "fake 1"
    assert answer.HasField("spec") != document


async def test_where_nobody_reads_the_spec_says_so_and_calls_are_refused(stub: Any) -> None:
    assert (await stub.GetSpec(embedding_pb2.GetSpecRequest())).reader == ""
    with pytest.raises(InvalidRequest, match="VIEWFINDER_OCR"):
        await stub.ReadPicture(request())
