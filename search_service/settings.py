"""Settings of search_service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from search_service.engine_options import EngineOptions, LateQuantisation
from search_service.metadata_keys import SETTING, parse_indexed
from search_service.server_settings import ServerSettings


class SearchSettings(ServerSettings):
    """What search_service reads beside the shared settings."""

    search_threads: int = Field(
        1,
        ge=1,
        le=64,
        alias="VIEWFINDER_SEARCH_THREADS",
        description="Threads of the embedded vector index",
    )
    hnsw_m: int = Field(
        16,
        ge=4,
        le=128,
        alias="QDRANT_HNSW_M",
        description="Edges of a node in the graph: more find better and take more memory",
    )
    hnsw_ef_construct: int = Field(
        200,
        ge=10,
        le=2000,
        alias="QDRANT_HNSW_EF_CONSTRUCT",
        description="Candidates for every edge while the graph is built",
    )
    hnsw_ef: int = Field(
        128,
        ge=10,
        le=4096,
        alias="QDRANT_HNSW_EF",
        description="Candidates of a search in the graph: more find better and take longer",
    )
    quantisation: Literal["int8", "none"] = Field(
        "int8",
        alias="VIEWFINDER_QUANTISATION",
        description="How the graph sees vectors; the full ones rank the best again",
    )
    oversampling: float = Field(
        2.0,
        ge=1,
        le=16,
        alias="VIEWFINDER_OVERSAMPLING",
        description="How many times the wanted hits int8 finds, to be ranked again",
    )
    vectors_on_disk: bool = Field(
        False,
        alias="VIEWFINDER_VECTORS_ON_DISK",
        description="Leave the full vectors on the disk: a quarter of the memory, slower ranking",
    )
    late_quantisation: LateQuantisation = Field(
        "none",
        alias="VIEWFINDER_LATE_QUANTISATION",
        description="How the rows of document pages are compared first, in memory: none, binary or"
        " int8; the full ones rank the best again",
    )
    late_on_disk: bool = Field(
        True,
        alias="VIEWFINDER_LATE_ON_DISK",
        description="Leave the rows of document pages (up to 400 kB each) on the disk: read where"
        " a search needs them, and kept in memory while there is room",
    )
    indexed_metadata: str = Field(
        "",
        alias=SETTING,
        description="Your own metadata keys that filters are quick on in large collections, at most"
        " 16, with what they hold: album, rating:number, draft:flag, shot:time. The next start"
        " makes what is missing: 10 s a key for a million pictures",
    )
    build_above: int = Field(
        100_000,
        ge=1000,
        alias="VIEWFINDER_BUILD_ABOVE",
        description="Vectors up to which the embedded index searches exactly, without a graph",
    )
    build_threads: int = Field(
        1,
        ge=1,
        le=256,
        alias="VIEWFINDER_BUILD_THREADS",
        description="Threads that build the graph of the embedded index, at low priority",
    )
    recall_every_s: float = Field(
        30.0,
        ge=0,
        le=86_400,
        alias="VIEWFINDER_RECALL_EVERY_S",
        description="One search in so many seconds is compared with exact search in the"
        " background, for the recall in /stats and /metrics; 0: none",
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

    @field_validator("indexed_metadata")
    @classmethod
    def _check(cls, value: str) -> str:
        parse_indexed(value)
        return value

    @property
    def index_dir(self) -> Path:
        """The folder of the index; only search_service writes there."""
        return self.data_dir / "index"

    @property
    def engine_options(self) -> EngineOptions:
        """How the embedded index keeps and searches vectors."""
        return EngineOptions(
            m=self.hnsw_m,
            ef_construct=self.hnsw_ef_construct,
            ef=self.hnsw_ef,
            int8=self.quantisation == "int8",
            oversampling=self.oversampling,
            vectors_on_disk=self.vectors_on_disk,
            late_quantisation=self.late_quantisation,
            late_on_disk=self.late_on_disk,
            search_threads=self.search_threads,
            build_threads=self.build_threads,
            min_free_bytes=self.min_free_mib << 20,
            indexed_metadata=parse_indexed(self.indexed_metadata),
        )
