"""Bodies of forms, written by hand: in any order, in any pieces, and unfinished."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

BOUNDARY = "a-boundary"
CHUNK_BYTES = 512 << 10  # of what goes on to upload_service
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def field(name: str, value: str | bytes) -> bytes:
    text = value.encode() if isinstance(value, str) else value
    return _part(f'name="{name}"'.encode(), text)


def file(content: bytes, file_name: str | bytes = "cat.jpg", name: str = "files") -> bytes:
    shown = file_name.encode() if isinstance(file_name, str) else file_name
    return _part(f'name="{name}"; filename="'.encode() + shown + b'"', content)


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def send(client: httpx.AsyncClient, *parts: bytes) -> httpx.Response:
    return await client.post("/images", content=form(*parts), headers=FORM)


def _part(disposition: bytes, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    return head + disposition + b"\r\n\r\n" + content + b"\r\n"


async def in_pieces(body: bytes, sizes: tuple[int, ...]) -> AsyncIterator[bytes]:
    """The body in pieces of these sizes, over and over."""
    start = turn = 0
    while start < len(body):
        yield body[start : start + sizes[turn % len(sizes)]]
        start += sizes[turn % len(sizes)]
        turn += 1


def request_head(port: int, length: int, path: str = "/images") -> bytes:
    """The head of a POST of such a form, as it goes over a bare connection."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\n"
        f"Content-Type: {FORM['Content-Type']}\r\n\r\n"
    ).encode()
