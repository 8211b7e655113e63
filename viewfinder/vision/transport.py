"""HTTP to a model's server: no proxies or certificates of chance, no endless answers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx

CONNECT_S = 5.0
_MAX_ANSWER_BYTES = 8 << 20


class AnswerTooLargeError(httpx.TransportError):
    """More bytes than any answer has."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Breaks off answers that do not end. `proxy` is the only one that is used."""

    def __init__(self, url: str, proxy: str = "", limit_bytes: int = _MAX_ANSWER_BYTES) -> None:
        # Reading all certificates takes a while, and most models are on this machine.
        is_secure = "https" in f"{url} {proxy}".lower()
        verify: ssl.SSLContext | bool = httpx.create_ssl_context() if is_secure else False
        self._inner = httpx.AsyncHTTPTransport(verify=verify, proxy=proxy or None, trust_env=False)
        self._limit_bytes = limit_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and count what comes back."""
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._limit_bytes)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, limit_bytes: int) -> None:
        self._inner = inner
        self._limit_bytes = limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > self._limit_bytes:
                raise AnswerTooLargeError(f"its answer is longer than {self._limit_bytes:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def timeout(whole_s: float) -> httpx.Timeout:
    """Connecting is quick or fails; all else is bounded by patience.py, and here as a last line."""
    return httpx.Timeout(whole_s, connect=CONNECT_S)
