"""Settings of upload_service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from viewfinder.settings import SharedSettings


class UploadSettings(SharedSettings):
    """What is accepted, and how patient the catalogue is with workers."""

    max_upload_bytes: int = Field(
        100 << 20,
        ge=1,
        alias="VIEWFINDER_MAX_UPLOAD_BYTES",
        description="Largest file that is accepted, bytes",
    )
    max_pages: int = Field(
        2000,
        ge=1,
        le=100_000,
        alias="VIEWFINDER_MAX_PAGES",
        description="Most pages of a PDF",
    )
    max_pixels: int = Field(
        50_000_000,
        ge=1,
        le=1_000_000_000,
        alias="VIEWFINDER_MAX_PIXELS",
        description="Most pixels of a picture, by its header, before it is decoded",
    )
    max_picture_metadata_bytes: int = Field(
        8 << 20,
        ge=0,
        alias="VIEWFINDER_MAX_PICTURE_METADATA_BYTES",
        description="Most EXIF, ICC and comment data inside a picture, bytes",
    )
    max_metadata_bytes: int = Field(
        16 << 10,
        ge=2,
        alias="VIEWFINDER_MAX_METADATA_BYTES",
        description="Most metadata a client may attach to a picture, bytes of JSON",
    )
    reindex_share: float = Field(
        0.7,
        gt=0,
        le=1,
        alias="VIEWFINDER_REINDEX_SHARE",
        description="How much of a worker's time a reindex may take (0 to 1) when nothing else"
        " waits; uploads always come first",
    )
    reconcile_interval_s: float = Field(
        1.0,
        gt=0,
        le=60,
        alias="VIEWFINDER_RECONCILE_INTERVAL_S",
        description="How often the catalogue is compared with what workers do, seconds",
    )

    @property
    def catalogue_file(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "catalogue" / "catalogue.sqlite"
