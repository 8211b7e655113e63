"""Settings of embedding_service."""

from __future__ import annotations

from pydantic import Field

from viewfinder.settings import SharedSettings


class EmbeddingSettings(SharedSettings):
    """What embedding_service reads beside the shared settings."""

    encoder: str = Field(
        "mini",
        alias="VIEWFINDER_ENCODER",
        description="The encoder: mini, which is shipped with Viewfinder",
    )
    encoder_threads: int = Field(
        1,
        ge=1,
        le=256,
        alias="VIEWFINDER_ENCODER_THREADS",
        description="Threads that one run of the model may use; more than the idle cores is slower",
    )
    text_batch: int = Field(
        16,
        ge=1,
        le=256,
        alias="VIEWFINDER_TEXT_BATCH",
        description="The most texts of concurrent calls that are embedded in one run",
    )
    image_batch: int = Field(
        8,
        ge=1,
        le=256,
        alias="VIEWFINDER_IMAGE_BATCH",
        description="The most pictures of concurrent calls that are embedded in one run",
    )
    text_cache_size: int = Field(
        4096,
        ge=0,
        le=10_000_000,
        alias="VIEWFINDER_TEXT_CACHE_SIZE",
        description="How many texts keep their vector in memory; 0 keeps none",
    )
