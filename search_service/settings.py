"""Settings of search_service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from viewfinder.settings import SharedSettings


class SearchSettings(SharedSettings):
    """What search_service reads beside the shared settings."""

    collection: str = Field(
        "viewfinder",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        alias="QDRANT_COLLECTION",
        description="Name of the collection of vectors",
    )
    search_threads: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_SEARCH_THREADS",
        description="Threads of the embedded vector index",
    )
    min_free_mib: int = Field(
        128,
        ge=64,  # the engine grows by mapped files of 32 MiB, the log and the vectors alike
        alias="VIEWFINDER_INDEX_MIN_FREE_MIB",
        description="Writes to the index are refused when less of the disk is free (MiB)",
    )
    embed_timeout_s: float = Field(
        5.0,
        gt=0,
        le=120,
        alias="VIEWFINDER_EMBED_TIMEOUT_S",
        description="The longest that a query waits for its vector (seconds)",
    )

    @property
    def index_dir(self) -> Path:
        """The folder of the index; only search_service writes there."""
        return self.data_dir / "index"
