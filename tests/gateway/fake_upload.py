"""An upload_service that keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.gateway.fake_records import record
from tests.gateway.fake_service import Context
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import upload_pb2, upload_pb2_grpc


@dataclass
class ReceivedFile:
    """One call of Upload: what came, and whether it ended properly."""

    header: upload_pb2.UploadHeader = field(default_factory=upload_pb2.UploadHeader)
    chunks: list[bytes] = field(default_factory=list)
    is_whole: bool = False  # the stream ended, and was not cancelled
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def content(self) -> bytes:
        return b"".join(self.chunks)


class FakeUpload(upload_pb2_grpc.UploadServiceServicer):
    """Takes files in. `refusal` is asked after every message; `may_read` holds it up."""

    def __init__(self) -> None:
        self.files: list[ReceivedFile] = []
        self.duplicates: set[str] = set()
        self.refusal: Callable[[ReceivedFile], ViewfinderError | None] = lambda _: None
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.begun = asyncio.Event()

    async def Upload(
        self, requests: AsyncIterator[upload_pb2.UploadRequest], context: Context
    ) -> upload_pb2.UploadResponse:
        received = ReceivedFile()
        self.files.append(received)
        try:
            async for request in requests:
                if request.WhichOneof("part") == "header":
                    received.header = request.header
                elif request.WhichOneof("part") == "chunk":
                    received.chunks.append(request.chunk)
                else:
                    received.is_whole = True
                    assert request.end.size_bytes == sum(map(len, received.chunks))
                self.begun.set()
                if (error := self.refusal(received)) is not None:
                    raise error
                await self.may_read.wait()
        finally:
            received.is_over.set()
        number = len(self.files)
        image = record(
            f"00000000-0000-4000-8000-{number:012}",
            state="stored",
            pages=7 if received.header.file_name.endswith(".pdf") else 0,
        )
        duplicate = received.header.file_name in self.duplicates
        return upload_pb2.UploadResponse(
            image=image, duplicate=duplicate, job_id=received.header.job_id
        )
