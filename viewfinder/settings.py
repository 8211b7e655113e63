"""Settings that several services share. A wrong value stops the process with one line naming it."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Literal, NoReturn, TypeVar

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


def _default_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("viewfinder", appauthor=False))


class SharedSettings(BaseSettings):
    """What every process reads. Names without prefix are those users of such systems know."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", populate_by_name=True
    )

    data_dir: Path = Field(
        default_factory=_default_data_dir,
        alias="VIEWFINDER_DATA_DIR",
        description="The folder that holds all state of a laptop installation",
    )
    log_format: Literal["auto", "json", "pretty"] = Field(
        "auto", alias="VIEWFINDER_LOG_FORMAT", description="auto: pretty on a terminal, else JSON"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="VIEWFINDER_LOG_LEVEL", description="The least severe level that is logged"
    )
    upload_address: str = Field(
        "",
        alias="VIEWFINDER_UPLOAD_ADDRESS",
        description="host:port or unix:PATH of upload_service; empty: a socket in the data folder",
    )
    embedding_address: str = Field(
        "",
        alias="VIEWFINDER_EMBEDDING_ADDRESS",
        description="host:port or unix:PATH of embedding_service; empty: as above",
    )
    search_address: str = Field(
        "",
        alias="VIEWFINDER_SEARCH_ADDRESS",
        description="host:port or unix:PATH of search_service; empty: a socket in the data folder",
    )
    image_address: str = Field(
        "",
        alias="VIEWFINDER_IMAGE_ADDRESS",
        description="host:port or unix:PATH of image_service; empty: a socket in the data folder",
    )
    listen_address: str = Field(
        "",
        alias="VIEWFINDER_LISTEN_ADDRESS",
        description="Where a gRPC service listens; empty: at its own address above."
        " Containers set 0.0.0.0:50051",
    )
    redis_host: str = Field(
        "",
        alias="REDIS_HOST",
        description="Host of Redis or Valkey; empty: the bundled Valkey in the data folder",
    )
    redis_port: int = Field(
        6379, ge=1, le=65535, alias="REDIS_PORT", description="Port of Redis or Valkey"
    )
    redis_password: str = Field(
        "", alias="REDIS_PASSWORD", description="Password of Redis or Valkey", repr=False
    )
    redis_cache_enabled: bool = Field(
        True,
        alias="REDIS_ENABLED",
        description="Keep answers to searches in Redis; its queue of uploads is needed in any case",
    )
    collection: str = Field(
        "viewfinder",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        alias="QDRANT_COLLECTION",
        description="Name of the collection of vectors",
    )
    index_workers: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_INDEX_WORKERS",
        description="How many worker processes index; each listens to a queue of its own",
    )

    @property
    def run_dir(self) -> Path:
        """The folder of sockets and pid files: in the data folder, or in the temporary folder
        when the data folder's path is too long for a socket."""
        inside = self.data_dir.absolute() / "run"
        if len(str(inside / "embedding.sock")) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(str(inside).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"viewfinder-{digest}"

    @property
    def originals_dir(self) -> Path:
        """The folder of original pictures; only upload_service writes there."""
        return self.data_dir / "originals"

    def address_of(self, service: Literal["upload", "embedding", "search", "image"]) -> str:
        """gRPC target of a service: `host:port`, or `unix:` and an absolute path."""
        configured: str = getattr(self, f"{service}_address")
        return configured or f"unix:{self.run_dir / f'{service}.sock'}"

    def listen_address_of(self, service: Literal["upload", "embedding", "search", "image"]) -> str:
        """Where the service itself binds."""
        return self.listen_address or self.address_of(service)

    @property
    def redis_socket(self) -> Path:
        """The bundled Valkey's socket."""
        return self.run_dir / "valkey.sock"


S = TypeVar("S", bound=BaseSettings)


def load_settings(cls: type[S]) -> S:
    """The settings from environment and `.env`, or exit status 2 with one line a wrong value."""
    try:
        return cls()
    except ValidationError as error:
        exit_with_wrong_settings(cls, error)


def exit_with_wrong_settings(cls: type[BaseSettings], error: ValidationError) -> NoReturn:
    """Print one line for each wrong value, naming its variable, and exit with status 2."""
    for problem in error.errors():
        if not problem["loc"]:  # of several values; all of them would show passwords
            print(f"{cls.__name__}: {problem['msg']}", file=sys.stderr)
            continue
        name = str(problem["loc"][0])
        field = next(
            (one for key, one in cls.model_fields.items() if name in (key, one.alias)), None
        )
        variable = (field.alias if field is not None else None) or name
        is_secret = field is not None and not field.repr
        shown = "..." if is_secret else repr(problem.get("input"))
        print(f"{variable}={shown}: {problem['msg']}", file=sys.stderr)
    raise SystemExit(2)
