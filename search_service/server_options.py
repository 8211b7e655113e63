"""Where a Qdrant server is, and how a collection is spread over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ServerAddress:
    """Where the server is. `rest_port` is only asked to explain why gRPC does not answer."""

    host: str
    grpc_port: int = 6334
    rest_port: int = 6333
    api_key: str = field(default="", repr=False)
    tls: bool = False
    ca_file: Path | None = None
    timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"{self.host}:{self.grpc_port}{' (TLS)' if self.tls else ''}"


@dataclass(frozen=True)
class ServerLayout:
    """How a collection is spread over a cluster. `shards` 0: as many as the server thinks fit.

    `write_consistency`: replicas that must have a write before it is acknowledged.
    """

    shards: int = 0
    replicas: int = 1
    write_consistency: int = 1
