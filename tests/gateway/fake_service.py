"""What all fake services have in common."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from viewfinder.telemetry import REQUEST_ID_HEADER

Context = grpc.aio.ServicerContext  # type: ignore[type-arg]


class Fake:
    """What all have in common: `requests` seen, and `failure` to raise instead of an answer."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.request_ids: list[str] = []
        self.failure: Exception | None = None
        self.delay_s = 0.0

    async def seen(self, request: Any, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self.request_ids.append(str(metadata.get(REQUEST_ID_HEADER)))
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.failure is not None:
            raise self.failure

    def last(self) -> Any:
        return self.requests[-1]
