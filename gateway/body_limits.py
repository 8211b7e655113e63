"""Bodies that are too large or never come."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.problem import error_response
from gateway.settings import GatewaySettings
from viewfinder.errors import RequestTimeout, RequestTooLarge

_FORM_OVERHEAD = 64 << 10


class BodyLimits:
    """ASGI middleware: bounds the size of bodies, and how long a client may pause within one.

    Files sent as multipart to /images are streamed on, and limited one by one by their owner.
    """

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        self._idle_s = settings.body_idle_s
        self._small = settings.max_body_bytes
        # base64 makes four characters of three bytes.
        self._picture = settings.max_inline_image_bytes * 4 // 3 + _FORM_OVERHEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a guarded `receive`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._limit(scope["path"], headers.get("content-type", ""))
        declared = headers.get("content-length", "")
        if limit is not None and declared.isdecimal() and int(declared) > limit:
            error = RequestTooLarge(size_bytes=int(declared), limit_bytes=limit)
            await error_response(error)(scope, receive, send)
            return
        await self._app(scope, _Guarded(receive, limit, self._idle_s), send)

    def _limit(self, path: str, content_type: str) -> int | None:
        if path == "/images":
            is_form = content_type.lower().startswith("multipart/")
            return None if is_form else self._picture
        return self._picture if path == "/search/image" else self._small


class _Guarded:
    def __init__(self, receive: Receive, limit: int | None, idle_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._idle_s = idle_s
        self._size = 0
        self._is_complete = False

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._idle_s):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout(idle_s=self._idle_s) from None
        self._is_complete = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._limit is not None and self._size > self._limit:
            raise RequestTooLarge(size_bytes=self._size, limit_bytes=self._limit)
        return message
