"""What image_service reads from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from viewfinder.settings import SharedSettings

_LARGEST_WIDTH = 4096


class ImageSettings(SharedSettings):
    """Settings of image_service."""

    rendition_widths: Annotated[tuple[int, ...], NoDecode] = Field(
        (64, 128, 256, 320, 512, 640, 1024, 1600, 2048),
        alias="VIEWFINDER_RENDITION_WIDTHS",
        description="Widths of renditions in pixels, separated by commas; other widths become the"
        " next larger of these. Few of them keep the cache small",
    )
    rendition_cache_bytes: int = Field(
        2 << 30,
        ge=0,
        alias="VIEWFINDER_RENDITION_CACHE_BYTES",
        description="How much disk cached renditions may take; the longest unused go first",
    )
    rendition_queue: int = Field(
        1000,
        ge=1,
        alias="VIEWFINDER_RENDITION_QUEUE",
        description="How many renditions may wait to be made before more are refused",
    )
    image_pixel_processes: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_IMAGE_PIXEL_PROCESSES",
        description="How many child processes of image_service make renditions",
    )
    chunk_bytes: int = Field(
        512 << 10,
        ge=256 << 10,
        le=1 << 20,
        alias="VIEWFINDER_IMAGE_CHUNK_BYTES",
        description="How many bytes of a picture travel in one message",
    )
    max_pixels: int = Field(
        50_000_000,
        ge=1,
        alias="VIEWFINDER_MAX_PIXELS",
        description="Pictures with more pixels are refused before they are decoded",
    )

    max_picture_metadata_bytes: int = Field(
        8 << 20,
        ge=0,
        alias="VIEWFINDER_MAX_PICTURE_METADATA_BYTES",
        description="Most EXIF, ICC and comment data inside a picture, bytes",
    )

    @field_validator("rendition_widths", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("rendition_widths")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1 or max(value) > _LARGEST_WIDTH:
            raise ValueError(f"at least one width, each between 1 and {_LARGEST_WIDTH}")
        return tuple(sorted(set(value)))

    @property
    def renditions_dir(self) -> Path:
        """The folder of cached renditions; it may be removed at any time."""
        return self.data_dir / "renditions"
