"""What goes in and out of the REST interface about the running of Viewfinder itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from viewfinder.api_base import Answer, Question

# --- moving to another encoder ---


class ReindexRequest(Question):
    """Embed all pictures with another encoder, in the background."""

    encoder: str = Field(
        min_length=1, max_length=200, description="Its name, as `viewfinder models list` shows it"
    )
    hold: bool = Field(False, description="Do not switch when all are done; wait for `/switch`")


class SwitchRequest(Question):
    """Which encoder is to answer."""

    back: bool = Field(
        False,
        description="To the encoder before, at once; what was uploaded since is embedded again",
    )


class Reindex(Answer):
    """How far the move to another encoder is."""

    state: Literal["idle", "running", "ready", "switching"] = Field(
        description="ready: all done, waits for `/switch`; switching: the index is being told"
    )
    active: EncoderInfo | None = Field(None, description="Answers searches")
    candidate: EncoderInfo | None = Field(None, description="Is being prepared")
    previous: EncoderInfo | None = Field(None, description="Is kept for the way back")
    total: int = Field(0, description="Pictures to embed with the candidate")
    done: int = 0
    failed: int = Field(0, description="Of those done: the candidate cannot embed them")
    started_at: datetime | None = None


# --- status ---


class EncoderInfo(Answer):
    """An encoder: vectors of two of them, or of two revisions, cannot be compared."""

    name: str
    revision: str
    dim: int


class Health(Answer):
    """Whether the gateway lives, and in short what it reaches."""

    status: Literal["ok", "degraded"]
    encoder_loaded: bool
    index_connected: bool
    redis_connected: bool
    device: str = Field(description="Where the encoder runs: cpu, cuda:0, ...; empty if unknown")
    encoder: EncoderInfo | None = Field(None, description="The encoder of the settings")
    version: str


class PartStatus(Answer):
    """One part of Viewfinder, as seen from the gateway."""

    ready: bool
    detail: str = ""


class Ready(Answer):
    """Whether every part is ready; 503 when one is not."""

    ready: bool
    parts: dict[str, PartStatus]


class LatencyStats(Answer):
    """Of the last 10,000 calls, milliseconds."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float


class Latencies(Answer):
    """Where the time of searches went."""

    embedding: LatencyStats
    search: LatencyStats = Field(description="In the index")
    total: LatencyStats = Field(description="In the gateway, from request to answer")


class CollectionStats(Answer):
    """The vector index."""

    name: str
    vectors_count: int
    status: str
    indexed: bool = Field(description="A graph is built; false while search is exact")
    encoder: EncoderInfo | None = Field(None, description="Which made the vectors")
    recall: float | None = Field(
        None, description="Recall@10 of recent searches against exact search; null: not measured"
    )
    recall_samples: int = Field(0, description="How many searches were compared")


class CatalogueStats(Answer):
    """The catalogue."""

    total: int = Field(description="Pictures and pages, all but those being deleted")
    by_state: dict[str, int] = Field(description="Pictures and pages")
    size_bytes: int = Field(description="Of all originals")
    documents: int = Field(0, description="PDFs")
    pages: int = Field(0, description="Of these PDFs")
    to_read: int = Field(0, description="Pictures and pages whose text is yet to be read")


class Stats(Answer):
    """Latencies and sizes."""

    latency: Latencies
    collection: CollectionStats
    catalogue: CatalogueStats


Reindex.model_rebuild()
