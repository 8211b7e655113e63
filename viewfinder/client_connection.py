"""The connection of a client: sends requests, and makes errors of what comes back."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx

from viewfinder.client_answers import Answer, raise_problem, read_answer
from viewfinder.errors import DeadlineExceeded, ServiceUnavailable

_ERRNO = re.compile(r"^\[Errno -?\d+\] ")  # tells people nothing

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 30.0


class Connection:
    """To one gateway. May be shared among threads."""

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={"X-API-Key": api_key} if api_key else {},
            timeout=timeout_s,
            transport=transport,
            # Without TLS there is nothing to verify, and loading certificates takes time.
            verify=not self.base_url.startswith("http://"),
            # A proxy in the environment is for the outside world, not for this machine.
            trust_env=urlsplit(base_url).hostname not in {"127.0.0.1", "localhost", "::1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def absolute(self, url: str) -> str:
        """A `url` or `thumbnail_url` of an answer as a complete address."""
        return urljoin(f"{self.base_url}/", url)

    def _call(self, method: str, path: str, answer: type[Answer], **options: Any) -> Answer:
        response = self._request(method, path, **options)
        raise_problem(response)
        return read_answer(response, answer)

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.ReadTimeout as error:
            raise DeadlineExceeded(service=f"the gateway at {self.base_url}") from error
        except httpx.TransportError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.TransportError) -> ServiceUnavailable:
        reason = _ERRNO.sub("", str(error)) or type(error).__name__
        return ServiceUnavailable(service=f"the gateway at {self.base_url}", reason=reason)
