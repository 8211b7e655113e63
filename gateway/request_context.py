"""Around every request: its id, its log line, its figures, and what browsers should know."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access import OPEN_PREFIXES
from gateway.metrics import Metrics
from gateway.problem import error_response
from viewfinder.errors import InternalError
from viewfinder.telemetry import REQUEST_ID_HEADER, bind_request_id

CLIENT_LEFT = 499  # as nginx calls it; nobody sees it but the log and the metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})
_QUIET = frozenset({"/health", "/ready", "/metrics"})

log = structlog.get_logger()


class RequestContext:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = bind_request_id(Headers(scope=scope).get(REQUEST_ID_HEADER))
        answer = _Answer(send, request_id, allows_scripts=scope["path"].startswith(OPEN_PREFIXES))
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            answer.status = CLIENT_LEFT
        except Exception:
            log.exception("unexpected error", path=scope["path"])
            if answer.status is None:
                error = InternalError(request_id=request_id)
                await error_response(error)(scope, receive, answer)
            elif not answer.is_complete:
                raise  # has the server break off: half an answer must not look whole
        finally:
            self._metrics.in_flight.dec()
            self._record(scope, answer.status or CLIENT_LEFT, time.perf_counter() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(seconds)
        say = log.debug if scope["path"] in _QUIET else log.info
        say(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
        )


_POLICY = "default-src 'none'; frame-ancestors 'none'"


class _Answer:
    """Sends, with headers that every answer has."""

    def __init__(self, send: Send, request_id: str, allows_scripts: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._allows_scripts = allows_scripts
        self.status: int | None = None
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            if not self._allows_scripts:
                more = headers.get("Content-Security-Policy", "")  # such as sandbox
                headers["Content-Security-Policy"] = f"{_POLICY}; {more}" if more else _POLICY
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
