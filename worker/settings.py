"""What the worker reads from the environment."""

from __future__ import annotations

from pydantic import Field

from viewfinder.pictures import PixelLimits
from viewfinder.vision.settings import VisionSettings


class WorkerSettings(VisionSettings):
    """Settings of one worker process."""

    batch_size: int = Field(
        32,
        ge=1,
        le=32,
        alias="VIEWFINDER_WORKER_BATCH",
        description="How many pictures a worker takes on at once",
    )
    chunk_size: int = Field(
        4,
        ge=1,
        le=32,
        alias="VIEWFINDER_WORKER_CHUNK",
        description="How many pictures of a batch are prepared while the ones before are embedded",
    )
    pixel_processes: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_WORKER_PIXEL_PROCESSES",
        description="How many child processes of a worker decode pictures",
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

    @property
    def pixel_limits(self) -> PixelLimits:
        """What one picture may cost; the same as at its intake."""
        return PixelLimits(
            max_pixels=self.max_pixels, max_metadata_bytes=self.max_picture_metadata_bytes
        )
