"""Who may ask: API keys, signed addresses, and web pages of others kept out."""

from __future__ import annotations

import hmac
import ipaddress
import re

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.problem import error_response
from gateway.settings import GatewaySettings
from gateway.urls import Urls
from viewfinder.errors import ForbiddenOrigin, Unauthorized, ViewfinderError

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json"})
OPEN_PREFIXES = ("/docs", "/static-offline-docs")

_CONTENT = re.compile(r"/images/([0-9a-f-]{36})/(?:content|heatmap)")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Access:
    """ASGI middleware that lets in who may, and answers everybody else with a problem."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings, urls: Urls) -> None:
        self._app = app
        self._key = settings.api_key.encode()
        self._urls = urls
        # Published from a container, an address looks as if others reached it; who sets names
        # says that only these are meant.
        guarded = settings.is_local or bool(settings.allowed_hosts)
        self._check_host = guarded and not settings.api_key
        self._hosts = {"localhost", settings.api_host, *settings.allowed_hosts}
        self._origins = set(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on."""
        if scope["type"] == "http":
            error = self._error(scope, Headers(scope=scope))
            if error is not None:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _error(self, scope: Scope, headers: Headers) -> ViewfinderError | None:
        if self._key:
            return None if self._may(scope, headers) else Unauthorized()
        host = headers.get("host", "")
        if self._check_host and not self._is_ours(host):
            return ForbiddenOrigin(
                header="Host", value=host[:200], setting="VIEWFINDER_ALLOWED_HOSTS"
            )
        origin = headers.get("origin")
        if (
            origin is not None
            and scope["method"] not in _READING
            and origin not in self._origins
            and origin != f"{scope['scheme']}://{host}"
        ):
            # Without a key, any page in the user's browser could write here otherwise.
            return ForbiddenOrigin(
                header="Origin", value=origin[:200], setting="VIEWFINDER_CORS_ORIGINS"
            )
        return None

    def _may(self, scope: Scope, headers: Headers) -> bool:
        path: str = scope["path"]
        if path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
            return True
        offered = headers.get("x-api-key")
        if offered is None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            offered = token.strip() if scheme.lower() == "bearer" else None
        if offered is not None:
            return hmac.compare_digest(offered.encode("utf-8", "replace"), self._key)
        content = _CONTENT.fullmatch(path)
        if content is None or scope["method"] not in {"GET", "HEAD"}:
            return False
        query = QueryParams(scope["query_string"])
        return self._urls.is_signed(
            content[1], query.get("expires", ""), query.get("signature", "")
        )

    def _is_ours(self, host: str) -> bool:
        """A page may have its own name point at this machine; its Host header gives it away."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in self._hosts:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False
