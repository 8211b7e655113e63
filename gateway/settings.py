"""Settings of the gateway. It refuses to start open to the world without a key."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from viewfinder.vision.settings import VisionSettings


class GatewaySettings(VisionSettings):
    """Where the gateway listens, whom it lets in, and how much it takes."""

    api_host: str = Field(
        "127.0.0.1", alias="API_HOST", description="Address the gateway listens on"
    )
    api_port: int = Field(
        8000, ge=1, le=65535, alias="API_PORT", description="Port the gateway listens on"
    )
    api_key: str = Field(
        "",
        alias="VIEWFINDER_API_KEY",
        description="Asked of every client, as X-API-Key or Authorization: Bearer; empty: of none",
        repr=False,
    )
    allow_anonymous: bool = Field(
        False,
        alias="VIEWFINDER_ALLOW_ANONYMOUS",
        description="Serve without a key on an address that others reach",
    )
    public_url: str = Field(
        "",
        alias="VIEWFINDER_PUBLIC_URL",
        description="Put before the urls of answers, such as https://pictures.example;"
        " empty: urls are paths",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        alias="VIEWFINDER_CORS_ORIGINS",
        description="Origins whose pages may call the gateway from the browser, separated by"
        " commas; empty: none",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        alias="VIEWFINDER_ALLOWED_HOSTS",
        description="Host names, separated by commas, under which a gateway without a key may be"
        " called, besides localhost; keeps web pages from reaching it by a trick with DNS. Empty:"
        " none on this machine's own address, any on an address that others reach",
    )
    max_body_bytes: int = Field(
        1 << 20,
        ge=1024,
        alias="VIEWFINDER_MAX_BODY_BYTES",
        description="Largest body of a request that carries no picture, bytes",
    )
    max_inline_image_bytes: int = Field(
        25 << 20,
        ge=1024,
        alias="VIEWFINDER_MAX_INLINE_IMAGE_BYTES",
        description="Largest picture sent as base64 or searched by, bytes; these are held in"
        " memory, uploads as multipart are not",
    )
    max_request_files: int = Field(
        1000,
        ge=1,
        alias="VIEWFINDER_MAX_REQUEST_FILES",
        description="Most files in one upload",
    )
    max_metadata_bytes: int = Field(
        16 << 10,
        ge=2,
        alias="VIEWFINDER_MAX_METADATA_BYTES",
        description="Most metadata a client may attach to a picture, bytes of JSON",
    )
    body_idle_s: float = Field(
        30.0,
        gt=0,
        alias="VIEWFINDER_BODY_IDLE_S",
        description="How long a client may pause while it sends a body, seconds",
    )
    query_pictures: int = Field(
        8,
        ge=1,
        le=256,
        alias="VIEWFINDER_QUERY_PICTURES",
        description="How many searches by picture may run or wait at once; more are told to retry",
    )
    gateway_pixel_processes: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_GATEWAY_PIXEL_PROCESSES",
        description="How many child processes of the gateway decode pictures searched by",
    )
    max_pixels: int = Field(
        50_000_000,
        ge=1,
        le=1_000_000_000,
        alias="VIEWFINDER_MAX_PIXELS",
        description="Most pixels of a picture, by its header, before it is decoded",
    )

    cache_ttl_s: int = Field(
        3600,
        ge=0,
        le=30 * 86_400,
        alias="REDIS_CACHE_TTL",
        description="How long an answer to a search is kept at most, seconds; it is never shown"
        " once something was written since. 0: none is kept",
    )
    cache_max_entry_bytes: int = Field(
        256 << 10,
        ge=1024,
        alias="VIEWFINDER_CACHE_MAX_ENTRY_BYTES",
        description="Larger answers are not kept, bytes",
    )
    cache_timeout_ms: float = Field(
        10.0,
        gt=0,
        le=1000,
        alias="VIEWFINDER_CACHE_TIMEOUT_MS",
        description="The search is made when Redis has not answered by then, milliseconds",
    )
    shed_load: bool = Field(
        True,
        alias="VIEWFINDER_SHED_LOAD",
        description="Turn searches away (429) before all become slow",
    )
    fewest_searches: int = Field(
        4,
        ge=1,
        le=1024,
        alias="VIEWFINDER_FEWEST_SEARCHES",
        description="So many searches may always run at once, however slow they are",
    )
    most_searches: int = Field(
        64,
        ge=1,
        le=1024,
        alias="VIEWFINDER_MOST_SEARCHES",
        description="Never more searches run at once; others wait for a moment",
    )
    search_goal_ms: float = Field(
        250.0,
        gt=0,
        le=60_000,
        alias="VIEWFINDER_SEARCH_GOAL_MS",
        description="Fewer searches run at once while most take longer than this, milliseconds",
    )
    answer_min_relevance: float = Field(
        0.1,
        ge=0,
        le=1,
        alias="VIEWFINDER_ANSWER_MIN_RELEVANCE",
        description="The vision model is not shown what fits a question less probably than this;"
        " when nothing is left, that is the answer. Pictures whose words were found are shown",
    )

    @field_validator("cors_origins", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: str) -> str:
        if not (value.isascii() and (value.isprintable() or not value)):
            raise PydanticCustomError("api_key", "must be of printable ASCII characters")
        return value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise PydanticCustomError("public_url", "must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fewest_searches > self.most_searches:
            raise PydanticCustomError(
                "searches",
                "VIEWFINDER_FEWEST_SEARCHES is {fewest}, VIEWFINDER_MOST_SEARCHES only {most}",
                {"fewest": self.fewest_searches, "most": self.most_searches},
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the gateway."""
        if self.api_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.api_host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.is_local and not self.api_key and not self.allow_anonymous:
            raise PydanticCustomError(
                "open_to_all",
                "{host} can be reached from other machines: set VIEWFINDER_API_KEY,"
                " or VIEWFINDER_ALLOW_ANONYMOUS=true to serve everybody",
                {"host": self.api_host},
            )
        return self
