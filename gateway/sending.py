"""One file on its way to upload_service, in chunks, as fast as that takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio

from gateway.services import UPLOAD_S, Services
from viewfinder.v1 import upload_pb2

CHUNK_BYTES = 512 << 10
_WAITING_CHUNKS = 2

_Call = grpc.aio.StreamUnaryCall[upload_pb2.UploadRequest, upload_pb2.UploadResponse]


class OutgoingFile:
    """Begins to send when made. Then `write`, and either `finish` or `abandon`.

    A call that merely ended would look like a whole file: whoever breaks off must `abandon`.
    """

    def __init__(self, services: Services, header: upload_pb2.UploadHeader) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_CHUNKS)
        self._collected = bytearray()
        self._call: _Call | None = None
        self._answer = asyncio.ensure_future(self._sent(services, header))
        self._answer.add_done_callback(self._on_answer)

    async def write(self, data: bytes) -> None:
        """Send on; waits while upload_service is behind. After a refusal nothing is sent."""
        self._collected += data
        while len(self._collected) >= CHUNK_BYTES:
            with memoryview(self._collected) as collected:
                chunk = bytes(collected[:CHUNK_BYTES])
            del self._collected[:CHUNK_BYTES]
            await self._put(chunk)

    async def finish(self) -> upload_pb2.UploadResponse:
        """The file is complete.

        Raises:
            ViewfinderError: it was refused.
        """
        if self._collected:
            await self._put(bytes(self._collected))
        await self._put(None)
        return await self._answer

    async def abandon(self) -> None:
        """Break the call off: nothing is left of the file."""
        if self._call is not None:
            self._call.cancel()
        self._answer.cancel()
        await asyncio.wait([self._answer])
        if not self._answer.cancelled():
            self._answer.exception()  # seen; it is of no interest any more

    async def _sent(
        self, services: Services, header: upload_pb2.UploadHeader
    ) -> upload_pb2.UploadResponse:
        await services.wait_for_upload()
        self._call = services.upload.Upload(self._requests(header), timeout=UPLOAD_S)
        return await self._call

    def _on_answer(self, answer: asyncio.Future[upload_pb2.UploadResponse]) -> None:
        """After a refusal grpc.aio would wait for the next chunk for ever, and keep the others."""
        if answer.cancelled():
            return  # so that what was broken off does not look ended
        while not self._chunks.empty():
            self._chunks.get_nowait()
        self._chunks.put_nowait(None)

    async def _put(self, chunk: bytes | None) -> None:
        if self._answer.done():
            return
        if not self._chunks.full():
            self._chunks.put_nowait(chunk)
            return
        # Whichever comes first: room, or a refusal, after which nobody makes room any more.
        put = asyncio.ensure_future(self._chunks.put(chunk))
        try:
            await asyncio.wait([put, self._answer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            put.cancel()

    async def _requests(
        self, header: upload_pb2.UploadHeader
    ) -> AsyncIterator[upload_pb2.UploadRequest]:
        yield upload_pb2.UploadRequest(header=header)
        size_bytes = 0
        while (chunk := await self._chunks.get()) is not None:
            size_bytes += len(chunk)
            yield upload_pb2.UploadRequest(chunk=chunk)
        yield upload_pb2.UploadRequest(end=upload_pb2.UploadEnd(size_bytes=size_bytes))
