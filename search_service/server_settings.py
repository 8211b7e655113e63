"""Settings of search_service on a Qdrant server; without QDRANT_HOST none of them matters."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from search_service.server_options import ServerAddress, ServerLayout
from viewfinder.settings import SharedSettings


class ServerSettings(SharedSettings):
    """Where the server is, and how collections are spread over it."""

    qdrant_host: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.:\[\]-]*$",
        alias="QDRANT_HOST",
        description="Host name of a Qdrant server or cluster; empty: the index is embedded",
    )
    qdrant_grpc_port: int = Field(
        6334,
        ge=1,
        le=65535,
        alias="QDRANT_GRPC_PORT",
        description="Port of gRPC on the Qdrant server; all that is asked goes there",
    )
    qdrant_port: int = Field(
        6333,
        ge=1,
        le=65535,
        alias="QDRANT_PORT",
        description="Port of REST on the Qdrant server; asked only to tell why gRPC is away",
    )
    qdrant_api_key: str = Field(
        "", alias="QDRANT_API_KEY", description="API key of the Qdrant server", repr=False
    )
    qdrant_tls: bool = Field(
        False,
        alias="VIEWFINDER_QDRANT_TLS",
        description="Speak TLS to the Qdrant server; without it a key can be read on the way",
    )
    qdrant_ca_file: Path | None = Field(
        None,
        alias="VIEWFINDER_QDRANT_CA_FILE",
        description="Certificate (PEM) that signed the server's own; empty: the public ones",
    )
    qdrant_timeout_s: float = Field(
        10.0,
        gt=0,
        le=300,
        alias="VIEWFINDER_QDRANT_TIMEOUT_S",
        description="The longest that a call to the Qdrant server may take (seconds)",
    )
    shards: int = Field(
        0,
        ge=0,
        le=1024,
        alias="VIEWFINDER_SHARDS",
        description="Shards of a new collection on a Qdrant server; 0: as many as it has nodes",
    )
    replicas: int = Field(
        1,
        ge=1,
        le=16,
        alias="VIEWFINDER_REPLICAS",
        description="Copies of every shard of a new collection, each on another node",
    )
    write_consistency: int = Field(
        1,
        ge=1,
        le=16,
        alias="VIEWFINDER_WRITE_CONSISTENCY",
        description="Copies that have a write before it is acknowledged; with all, searches see it"
        " at once on whatever node",
    )

    @field_validator("qdrant_ca_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("qdrant_api_key")
    @classmethod
    def _sendable(cls, value: str) -> str:
        if not (value.isascii() and (value.isprintable() or not value)):
            raise PydanticCustomError("api_key", "must be of printable ASCII characters")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.write_consistency > self.replicas:
            raise PydanticCustomError(
                "write_consistency",
                "VIEWFINDER_WRITE_CONSISTENCY is {wanted}, but there are only {replicas} copies:"
                " see VIEWFINDER_REPLICAS",
                {"wanted": self.write_consistency, "replicas": self.replicas},
            )
        return self

    @property
    def server_address(self) -> ServerAddress | None:
        """Where the Qdrant server is; None: the index is embedded."""
        if not self.qdrant_host:
            return None
        return ServerAddress(
            host=self.qdrant_host,
            grpc_port=self.qdrant_grpc_port,
            rest_port=self.qdrant_port,
            api_key=self.qdrant_api_key,
            tls=self.qdrant_tls,
            ca_file=self.qdrant_ca_file,
            timeout_s=self.qdrant_timeout_s,
        )

    @property
    def server_layout(self) -> ServerLayout:
        """How collections are spread over the Qdrant server."""
        return ServerLayout(self.shards, self.replicas, self.write_consistency)
