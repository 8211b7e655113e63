"""The connection to a Qdrant server or cluster: its client, a deadline for every call, and errors.

UNAVAILABLE is retried by the channel itself, with backoff; every write may be made twice. The
server_*.py modules are the only ones that know this engine.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
import structlog
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

from search_service.server_options import ServerAddress
from search_service.vector_index import IndexFault, IndexUnusable
from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    ServiceUnavailable,
    StorageFull,
)
from viewfinder.rpc import remaining_s

T = TypeVar("T")

NAME = "Qdrant"
OLDEST = (1, 16)
"""The first version that keeps metadata with a collection."""
_LONGEST_S = 600
_PROBE_S = 2.0
_NO_SPACE = ("no space left", "out of disk", "disk is full", "read-only file system", "disk quota")
_NOT_ENOUGH_REPLICAS = ("please retry", "replica", "not enough", "consensus", "no leader")

log = structlog.get_logger()


class CollectionMissing(ServiceUnavailable):
    """The collection was dropped while it was asked: asked again, another one answers."""


class PointMissing(IndexFault):
    """A point was deleted while it was written to."""


class ServerConnection:
    """A client, and the longest that a call of it may take."""

    def __init__(self, client: AsyncQdrantClient, timeout_s: float, name: str = NAME) -> None:
        self.client = client
        self._timeout_s = timeout_s
        self._name = name

    async def call(self, answer: Awaitable[T], timeout_s: float | None = None) -> T:
        """Wait for an answer, never longer than what is left of the request being served.

        Raises:
            ServiceUnavailable, DeadlineExceeded, Overloaded, StorageFull: as their names say.
            CollectionMissing, PointMissing: it is gone. IndexFault: any other refusal.
        """
        patience = self._timeout_s if timeout_s is None else timeout_s
        left = remaining_s()
        try:
            async with asyncio.timeout(patience if left is None else min(patience, left)):
                return await answer
        except TimeoutError:
            raise DeadlineExceeded(service=self._name) from None
        except ResourceExhaustedResponse as error:
            raise Overloaded(what=self._name, retry_after_s=error.retry_after_s) from error
        except grpc.RpcError as error:
            raise error_of(error, self._name) from error

    async def close(self) -> None:
        """Let go of the connection."""
        await self.client.close()


def connect(address: ServerAddress) -> ServerConnection:
    """A connection; nothing is sent yet.

    Raises:
        IndexUnusable: the file of the certificate authority cannot be read.
    """
    options: dict[str, Any] = dict(_channel_options(address.tls))
    if address.ca_file is not None:
        options["root_certificates"] = _read_ca(address.ca_file)
    if address.api_key and not address.tls:
        log.warning("the API key goes to Qdrant unencrypted: set VIEWFINDER_QDRANT_TLS=true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says what is logged above
        client = AsyncQdrantClient(
            host=address.host,
            port=address.rest_port,
            grpc_port=address.grpc_port,
            prefer_grpc=True,
            https=address.tls,
            api_key=address.api_key or None,
            timeout=_LONGEST_S,  # `call` has the real one; this one is of whole seconds
            grpc_options=options,
            pool_size=1,
            check_compatibility=False,  # by REST; see check_version
        )
    return ServerConnection(client, address.timeout_s)


async def check_version(connection: ServerConnection) -> str:
    """The server's version.

    Raises:
        IndexUnusable: it is older than what is needed.
    """
    version = str((await connection.call(connection.client.info())).version)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise IndexUnusable(f"Qdrant {version} is too old; {needed} or newer is needed")
    return version


async def why_away(address: ServerAddress) -> str:
    """What to look at when gRPC does not answer: perhaps only its port is not published."""
    scheme = "https" if address.tls else "http"
    try:
        async with httpx.AsyncClient(timeout=_PROBE_S, verify=False) as probe:  # noqa: S501
            # Nothing secret is sent, and nothing of the answer is believed.
            await probe.get(f"{scheme}://{address.host}:{address.rest_port}/readyz")
    except (httpx.HTTPError, httpx.InvalidURL):
        return f"nothing answers at {address}; see QDRANT_HOST and QDRANT_GRPC_PORT"
    return (
        f"REST answers at {address.host}:{address.rest_port}, but gRPC does not at {address}:"
        " publish that port too, or see QDRANT_GRPC_PORT and VIEWFINDER_QDRANT_TLS"
    )


def error_of(error: grpc.RpcError, name: str = NAME) -> Exception:
    """Our error behind a refused call."""
    code: grpc.StatusCode = error.code()
    text = " ".join(str(error.details() or code.name).split())
    said = text.lower()
    if any(sign in said for sign in _NO_SPACE):
        return StorageFull(where=name, reason=text[:300])
    match code:
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED | grpc.StatusCode.ABORTED:
            return ServiceUnavailable(service=name, reason=text[:300])
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServiceUnavailable(service=name, reason="something else answers at its address")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(service=name)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Overloaded(what=name, retry_after_s=1)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return IndexUnusable(f"Qdrant refuses the API key (QDRANT_API_KEY): {text[:300]}")
        case grpc.StatusCode.NOT_FOUND if "collection" in said:
            return CollectionMissing(service=name, reason="the collection was dropped meanwhile")
        case grpc.StatusCode.NOT_FOUND:
            return PointMissing(text)
        case grpc.StatusCode.INTERNAL if "timeout" in said or "timed out" in said:
            return DeadlineExceeded(service=name)
        case grpc.StatusCode.INTERNAL if any(sign in said for sign in _NOT_ENOUGH_REPLICAS):
            return ServiceUnavailable(service=name, reason=text[:300])
    return IndexFault(f"{name}: {text}")


def _channel_options(tls: bool) -> list[tuple[str, Any]]:
    retries = {
        "maxAttempts": 3,  # callers of this service try again, too
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        # One name may stand for all nodes of a cluster.
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": retries}],
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.enable_retries", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        # A node that lost its network says no goodbye.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # A proxy in the environment is for the outside world; inside the house there is no TLS.
        ("grpc.enable_http_proxy", int(tls)),
    ]


def _read_ca(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise IndexUnusable(f"VIEWFINDER_QDRANT_CA_FILE {path} cannot be read: {reason}") from error
