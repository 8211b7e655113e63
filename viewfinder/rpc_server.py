"""One gRPC server for every service: health, reflection, typed errors, graceful stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from viewfinder.errors import InternalError, ViewfinderError
from viewfinder.rpc import ERROR_DETAIL_KEY, MAX_MESSAGE_BYTES, set_deadline
from viewfinder.telemetry import REQUEST_ID_HEADER, bind_request_id, current_request_id
from viewfinder.v1 import common_pb2

GRACE_S = 20.0

log = structlog.get_logger()
T = TypeVar("T")


class RpcServer:
    """A server of one or more gRPC services on `host:port` or `unix:PATH`.

    Raises:
        RuntimeError: from `run`, when the address cannot be bound.
    """

    def __init__(self, address: str, grace_s: float = GRACE_S) -> None:
        self._address = address
        self._grace_s = grace_s
        self._names: list[str] = []
        self._registrations: list[Callable[[grpc.aio.Server], None]] = []
        self._stop = asyncio.Event()

    def add(
        self, add_to_server: Callable[[T, grpc.aio.Server], None], servicer: T, full_name: str
    ) -> None:
        """Serve this servicer; `full_name` is the protobuf name, `viewfinder.v1.SearchService`."""
        self._registrations.append(lambda server: add_to_server(servicer, server))
        self._names.append(full_name)

    def stop(self) -> None:
        """Stop as on SIGTERM."""
        self._stop.set()

    async def run(
        self,
        on_ready: Callable[[], None] | None = None,
        on_stopping: Callable[[], None] | None = None,
    ) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in flight (at most `grace_s`).

        `on_stopping` ends what would never finish by itself, such as streams of news.
        """
        server = grpc.aio.server(
            interceptors=[_ErrorsAndRequestIds()],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ],
        )
        for register in self._registrations:
            register(server)
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        reflection.enable_server_reflection(
            [*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
        )
        _prepare_socket_folder(self._address)
        server.add_insecure_port(self._address)
        await server.start()
        for name in ("", *self._names):
            await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._stop_on_signals()
        log.info("serving", address=self._address)
        if on_ready is not None:
            on_ready()
        await self._stop.wait()
        log.info("stopping", grace_s=self._grace_s)
        if on_stopping is not None:
            on_stopping()
        await checks.enter_graceful_shutdown()
        await server.stop(self._grace_s)

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)


def _prepare_socket_folder(address: str) -> None:
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


class _ErrorsAndRequestIds(grpc.aio.ServerInterceptor):
    """Binds the caller's request id and deadline; turns errors into status codes with details."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith("/grpc."):
            return handler
        if handler.response_streaming:
            wrapped = _guard_stream(handler.unary_stream, method)
            make = grpc.unary_stream_rpc_method_handler
        elif handler.request_streaming:
            wrapped = _guard_unary(_read_to_the_end(handler.stream_unary), method)
            make = grpc.stream_unary_rpc_method_handler
        else:
            wrapped = _guard_unary(handler.unary_unary, method)
            make = grpc.unary_unary_rpc_method_handler
        return make(wrapped, handler.request_deserializer, handler.response_serializer)


def _read_to_the_end(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses only after the stream has ended: a client of grpc.aio that still sends then may see
    an INTERNAL of its own making in the place of the refusal (grpc/grpc#36066)."""

    async def reading(requests: AsyncIterator[Any], context: grpc.aio.ServicerContext) -> Any:  # type: ignore[type-arg]
        try:
            return await behaviour(requests, context)
        except ViewfinderError:
            async for _ in requests:
                pass
            raise

    return reading


def _guard_unary(behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> Any:  # type: ignore[type-arg]
        _enter(context, method)
        try:
            return await behaviour(request, context)
        except Exception as error:  # noqa: BLE001 - the last border: every error becomes a status
            await _abort(context, error)

    return guarded


def _guard_stream(behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
    async def guarded(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:  # type: ignore[type-arg]
        _enter(context, method)
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:  # noqa: BLE001 - the last border: every error becomes a status
            await _abort(context, error)

    return guarded


def _enter(context: grpc.aio.ServicerContext, method: str) -> None:  # type: ignore[type-arg]
    metadata = {str(key): str(value) for key, value in (context.invocation_metadata() or ())}
    bind_request_id(metadata.get(REQUEST_ID_HEADER))
    structlog.contextvars.bind_contextvars(rpc=method.rsplit("/", 1)[-1])
    set_deadline(context.time_remaining())


async def _abort(context: grpc.aio.ServicerContext, error: Exception) -> None:  # type: ignore[type-arg]
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, ViewfinderError):
        log.exception("unexpected error")
        error = InternalError(request_id=current_request_id())
    elif error.http_status >= 500:
        log.warning("call failed", code=error.code, message=error.message)
    detail = common_pb2.ErrorDetail(
        code=error.code, message=error.message, fields_json=error.fields_json()
    )
    await context.abort(
        grpc.StatusCode[error.grpc_status],
        error.message,
        trailing_metadata=((ERROR_DETAIL_KEY, detail.SerializeToString()),),
    )
