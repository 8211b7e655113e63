"""What the worker reads from the environment."""

from __future__ import annotations

from pydantic import Field

from viewfinder.settings import SharedSettings


class WorkerSettings(SharedSettings):
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
        alias="VIEWFINDER_MAX_PIXELS",
        description="Pictures with more pixels are refused before they are decoded",
    )
