"""Clients of gRPC services: channels, deadlines, retries, request ids and typed errors.

Every call has a deadline (the caller's own, never longer than what is left of the request being
served). Only UNAVAILABLE is retried, with backoff. An error arrives as the class of
viewfinder/errors.py that the service raised. The server side is rpc_server.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from typing import Any

import grpc
import grpc.aio
from grpc.aio import ClientCallDetails

from viewfinder.errors import (
    DeadlineExceeded,
    InternalError,
    Overloaded,
    ServiceUnavailable,
    ViewfinderError,
    rebuild,
)
from viewfinder.telemetry import REQUEST_ID_HEADER, current_request_id
from viewfinder.v1 import common_pb2

DEFAULT_TIMEOUT_S = 10.0
CONNECT_S = 2.0
MAX_MESSAGE_BYTES = 16 << 20
ERROR_DETAIL_KEY = "viewfinder-error-bin"
_BROKEN_WHILE_SENDING = "Internal error from Core"  # grpc.aio's own words (grpc/grpc#36066)

_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


def _service_config(service: str) -> dict[str, Any]:
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        # By name: containers that start again may swap addresses, and any service answers "".
        "healthCheckConfig": {"serviceName": _full_name(service)},
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }


def _full_name(service: str) -> str:
    """`search_service` is `viewfinder.v1.SearchService` in its contract."""
    return f"viewfinder.v1.{service.title().replace('_', '')}"


def channel_options(service: str, retries: bool = True) -> list[tuple[str, Any]]:
    """What every channel to a service is opened with."""
    return [
        ("grpc.service_config", json.dumps(_service_config(service))),
        ("grpc.enable_retries", int(retries)),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # The default, 30 s, is how long a container that came back elsewhere would be missed.
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # A proxy in the environment is for the outside world, not for our own sockets.
        ("grpc.enable_http_proxy", 0),
    ]


def open_channel(address: str, service: str, retries: bool = True) -> grpc.aio.Channel:
    """An asyncio channel to `host:port` or `unix:PATH`, used once `service` answers there.

    Opens nothing yet. Never open one in a process that forks afterwards (see docs/architecture.md).
    Long streams of requests want one without `retries`, and `wait_until_connected`: gRPC 1.85 now
    and then aborts this process when the peer of such a stream dies and it is to be tried again.
    """
    return grpc.aio.insecure_channel(
        address, options=channel_options(service, retries), interceptors=_aio_interceptors(service)
    )


async def wait_until_connected(
    channel: grpc.aio.Channel, service: str, timeout_s: float = CONNECT_S
) -> None:
    """At once where it is; a channel without retries would fail while its peer starts again.

    Raises:
        ServiceUnavailable: it is not in `timeout_s`.
    """
    if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
        return
    try:
        await asyncio.wait_for(channel.channel_ready(), timeout_s)
    except TimeoutError:
        reason = f"no connection within {timeout_s:g} s"
        raise ServiceUnavailable(service=service, reason=reason) from None


def open_blocking_channel(address: str, service: str) -> grpc.Channel:
    """The same for code without an event loop; unary calls only."""
    return grpc.intercept_channel(
        grpc.insecure_channel(address, options=channel_options(service)), _BlockingUnary(service)
    )


def remaining_s() -> float | None:
    """Seconds left of the request being served here, or None when it has no deadline."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def set_deadline(timeout_s: float | None) -> None:
    """Bound all calls made from this context to end within `timeout_s`."""
    _deadline.set(None if timeout_s is None else time.monotonic() + timeout_s)


def error_of(error: grpc.RpcError, service: str) -> ViewfinderError:
    """The Viewfinder error behind a failed call."""
    code: grpc.StatusCode = error.code()
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == ERROR_DETAIL_KEY and isinstance(value, bytes):
            detail = common_pb2.ErrorDetail.FromString(value)
            again = rebuild(detail.code, detail.fields_json)
            if again is not None:
                return again
    details = str(error.details() or code.name)
    if code is grpc.StatusCode.UNAVAILABLE:
        return ServiceUnavailable(service=service, reason=details)
    if code is grpc.StatusCode.INTERNAL and details == _BROKEN_WHILE_SENDING:
        return ServiceUnavailable(service=service, reason="the connection broke")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ServiceUnavailable(service=service, reason="something else answers at its address")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(service=service)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Overloaded(what=service, retry_after_s=1)
    return InternalError(request_id=current_request_id())


def _timeout_s(wanted: float | None) -> float:
    timeout = DEFAULT_TIMEOUT_S if wanted is None else wanted
    left = remaining_s()
    return timeout if left is None else min(timeout, left)


def _with_request_id(metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
    request_id = current_request_id()
    own = ((REQUEST_ID_HEADER, request_id),) if request_id else ()
    return (*(metadata or ()), *own)


def _completed(details: ClientCallDetails) -> ClientCallDetails:
    return ClientCallDetails(
        details.method,
        _timeout_s(details.timeout),
        grpc.aio.Metadata(*_with_request_id(details.metadata)),
        details.credentials,
        details.wait_for_ready,
    )


# grpc.aio sorts interceptors by class, each kind of call needs one of its own.
def _aio_interceptors(service: str) -> Sequence[grpc.aio.ClientInterceptor]:
    return [_AioUnaryUnary(service), _AioUnaryStream(service), _AioStreamUnary(service)]


class _AioUnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, service: str) -> None:
        self._service = service

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: ClientCallDetails, request: Any
    ) -> Any:
        try:
            return await (await continuation(_completed(details), request))
        except grpc.RpcError as error:
            raise error_of(error, self._service) from error


class _AioStreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, service: str) -> None:
        self._service = service

    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], details: ClientCallDetails, requests: Any
    ) -> Any:
        return _TypedCall(await continuation(_completed(details), requests), self._service)


class _TypedCall:
    """A call whose await raises our errors; grpc.aio wants a call back here, not a response."""

    def __init__(self, call: Any, service: str) -> None:
        self._call = call
        self._service = service

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._call.__await__())
        except grpc.RpcError as error:
            raise error_of(error, self._service) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _AioUnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, service: str) -> None:
        self._service = service

    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], details: ClientCallDetails, request: Any
    ) -> AsyncIterator[Any]:
        call = await continuation(_completed(details), request)
        return self._responses(call)

    async def _responses(self, call: Any) -> AsyncIterator[Any]:
        try:
            async for response in call:
                yield response
        except grpc.RpcError as error:
            raise error_of(error, self._service) from error
        finally:
            call.cancel()


class _BlockingUnary(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, service: str) -> None:
        self._service = service

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: Any, request: Any
    ) -> Any:
        completed = details._replace(
            timeout=_timeout_s(details.timeout), metadata=_with_request_id(details.metadata)
        )
        call = continuation(completed, request)
        try:
            call.result()
        except grpc.RpcError as error:
            raise error_of(error, self._service) from error
        return call
