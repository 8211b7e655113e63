"""The stream of one file: header, chunks, end; nothing else is a whole file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tests.upload_service.conftest import House, jpeg
from upload_service.service import UploadAdapter
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import upload_pb2

HEADER = upload_pb2.UploadRequest(header=upload_pb2.UploadHeader(file_name="a.jpg"))


def chunk(data: bytes) -> upload_pb2.UploadRequest:
    return upload_pb2.UploadRequest(chunk=data)


def end(size_bytes: int) -> upload_pb2.UploadRequest:
    return upload_pb2.UploadRequest(end=upload_pb2.UploadEnd(size_bytes=size_bytes))


async def send(house: House, *requests: upload_pb2.UploadRequest) -> upload_pb2.UploadResponse:
    async def stream() -> AsyncIterator[upload_pb2.UploadRequest]:
        for request in requests:
            yield request

    return await UploadAdapter(house.intake).Upload(stream(), cast("Any", None))


async def test_header_chunks_and_end_are_a_picture(house: House) -> None:
    content = jpeg()
    answer = await send(
        house, HEADER, chunk(content[:500]), chunk(content[500:]), end(len(content))
    )
    assert answer.image.size_bytes == len(content)


@pytest.mark.parametrize(
    "broken",
    [
        lambda c: [HEADER, chunk(c)],
        lambda c: [HEADER, chunk(c[: len(c) // 2])],
        lambda c: [HEADER, chunk(c), end(len(c) + 1)],
        lambda c: [HEADER, chunk(c), HEADER],
        lambda c: [chunk(c), end(len(c))],
        lambda c: [],
    ],
    ids=["no end", "half", "wrong size", "two headers", "no header", "nothing"],
)
async def test_anything_else_is_refused_and_leaves_nothing(house: House, broken: Any) -> None:
    with pytest.raises(InvalidRequest):
        await send(house, *broken(jpeg()))
    assert house.files() == []
    assert house.catalog.stats().total == 0
