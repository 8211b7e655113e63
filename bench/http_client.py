"""A small HTTP/1.1 client for measuring: a connection that stays open, asked one thing at a time.

A full client spends about a millisecond of a core on a request, as much as is measured here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

_MAX_ANSWER_BYTES = 64 << 20


class HttpTrouble(Exception):
    """The gateway cannot be asked, or does not answer as one; the text says why."""


@dataclass(frozen=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpConnection:
    """An asynchronous context manager. Raises HttpTrouble where it cannot connect."""

    def __init__(self, url: str, api_key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HttpTrouble(f"{url!r} is no address; write http://HOST:PORT")
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._is_tls else 80)
        self._path = parts.path.rstrip("/")
        key = f"X-API-Key: {api_key}\r\n" if api_key else ""
        self._head = f"Host: {parts.netloc.rpartition('@')[2]}\r\n{key}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> HttpConnection:
        """Connected."""
        try:
            self._streams = await asyncio.open_connection(
                self._host, self._port, ssl=self._is_tls or None, limit=1 << 20
            )
        except OSError as error:
            raise HttpTrouble(
                f"nothing answers at {self._host}:{self._port} ({error.strerror or error});"
                " is it running? Start it with: viewfinder up --detach"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()

    async def get(self, path: str) -> Answer:
        """Ask for a path."""
        return await self._ask(f"GET {self._path}{path} HTTP/1.1\r\n{self._head}\r\n".encode())

    async def post_json(self, path: str, body: bytes) -> Answer:
        """Send JSON."""
        head = (
            f"POST {self._path}{path} HTTP/1.1\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode() + body)

    async def _ask(self, request: bytes) -> Answer:
        if self._streams is None:
            raise HttpTrouble("asked before it was connected")
        reader, writer = self._streams
        try:
            writer.write(request)
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, colon, value in (line.partition(":") for line in lines)
                if colon
            }
            body = await _body(reader, headers)
            return Answer(int(first.split()[1]), headers, body)
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise HttpTrouble(f"{self._host}:{self._port} broke off: {error!r}") from error


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(_checked(int(headers.get("content-length", "0"))))
    parts = bytearray()
    while True:
        size = _checked(int((await reader.readline()).split(b";")[0], 16))
        chunk = await reader.readexactly(size + 2)
        if not size:
            return bytes(parts)
        parts += chunk[:-2]
        _checked(len(parts))


def _checked(size: int) -> int:
    if not 0 <= size <= _MAX_ANSWER_BYTES:
        raise ValueError(f"an answer of {size} bytes")
    return size
