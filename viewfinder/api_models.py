"""What goes in and out of the REST interface; the gateway and its clients share these models.

Those about the running of Viewfinder itself are in api_operations.py; all are found here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from viewfinder.api_base import Answer, Question
from viewfinder.api_operations import (
    CatalogueStats as CatalogueStats,
)
from viewfinder.api_operations import (
    CollectionStats as CollectionStats,
)
from viewfinder.api_operations import (
    EncoderInfo as EncoderInfo,
)
from viewfinder.api_operations import (
    Health as Health,
)
from viewfinder.api_operations import (
    Latencies as Latencies,
)
from viewfinder.api_operations import (
    LatencyStats as LatencyStats,
)
from viewfinder.api_operations import (
    PartStatus as PartStatus,
)
from viewfinder.api_operations import (
    Ready as Ready,
)
from viewfinder.api_operations import (
    Reindex as Reindex,
)
from viewfinder.api_operations import (
    ReindexRequest as ReindexRequest,
)
from viewfinder.api_operations import (
    Stats as Stats,
)
from viewfinder.api_operations import (
    SwitchRequest as SwitchRequest,
)

MAX_QUERY_CHARS = 512
MAX_TOP_K = 100
MAX_LOOKUP_IDS = 1000
MAX_LIST_LIMIT = 200
MAX_TAGS = 100
MAX_TAG_CHARS = 100
MAX_FILTERS = 32
MAX_FILTER_VALUES = 256

ImageState = Literal["stored", "queued", "indexed", "failed", "deleting"]
RenditionFormat = Literal["webp", "jpeg"]


# --- errors ---


class FieldError(Answer):
    """One value of a request that is not allowed."""

    field: str = Field(description="Where it is, such as `filters.width`")
    message: str


class Problem(Answer):
    """An error after RFC 9457, `application/problem+json`."""

    type: str = Field(description="A URI of this kind of problem")
    title: str
    status: int
    detail: str = Field(description="What was wrong, with which value, and what is allowed")
    code: str = Field(description="Stable name of this kind of problem")
    request_id: str = ""
    fields: dict[str, Any] = Field(
        default_factory=dict, description="The values that `detail` speaks of"
    )
    errors: list[FieldError] | None = Field(
        None, description="Every value that is not allowed, when there are several"
    )
    rejected: list[RejectedFile] | None = Field(
        None, description="The files of an upload of which none was accepted"
    )


# --- pictures ---


class Exif(Answer):
    """What the camera wrote."""

    taken_at: str | None = Field(
        None, description="ISO 8601, local time of the camera unless it says a zone"
    )
    camera_make: str | None = None
    camera_model: str | None = None
    latitude: float | None = Field(None, description="Degrees, WGS 84")
    longitude: float | None = None
    orientation: int | None = Field(None, description="1..8 as in EXIF")


class ImageRecord(Answer):
    """What is known of one picture."""

    id: str
    url: str = Field(description="The original")
    thumbnail_url: str = Field(description="At most 320 pixels wide, WebP")
    state: ImageState
    failure: str | None = Field(None, description="Why it could not be indexed, when `failed`")
    file_name: str
    file_path: str | None = None
    media_type: str = Field(description="Found in the content, not taken from the name")
    size_bytes: int
    width: int = Field(description="Pixels, as shown: after EXIF rotation")
    height: int
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    exif: Exif = Field(default_factory=Exif)
    sha256: str = ""
    uploaded_at: datetime | None = None
    indexed_at: datetime | None = None


class ImageList(Answer):
    """A page of pictures, newest first."""

    images: list[ImageRecord]
    next_cursor: str | None = Field(None, description="Absent on the last page")
    total: int = Field(description="Of all that match")


class UploadedImage(Answer):
    """An accepted file: durable, and searchable soon."""

    id: str
    url: str
    thumbnail_url: str
    state: ImageState
    duplicate: bool = Field(description="These bytes were here already; the id is the one of then")
    file_name: str


class RejectedFile(Answer):
    """A file that was refused, alone; the others of the request are not concerned."""

    file_name: str
    error: Problem


class UploadAccepted(Answer):
    """The answer to an upload of which at least one file was accepted."""

    images: list[UploadedImage]
    rejected: list[RejectedFile] = Field(default_factory=list)
    job_id: str = Field(description="Progress is at `/jobs/{job_id}`")


class Base64Upload(Question):
    """One picture as JSON, for clients that cannot send multipart."""

    filename: str = Field(min_length=1, max_length=255)
    image_base64: str = Field(min_length=1, description="Standard base64, without a `data:` prefix")
    tags: Tags = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    job_id: UUID | None = Field(None, description="Uploads with the same one share a job")
    file_path: str = Field("", max_length=4096)


Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG_CHARS)
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]


class ImageUpdate(Question):
    """What may be changed of a picture. What is left out stays; what is given replaces."""

    tags: Tags | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _something(self) -> ImageUpdate:
        if self.tags is None and self.metadata is None:
            raise ValueError("give tags, metadata or both")
        return self


class LookupRequest(Question):
    """Ids to look for, such as those of files about to be sent (see `viewfinder.ids`)."""

    ids: list[UUID] = Field(max_length=MAX_LOOKUP_IDS)


class KnownImage(Answer):
    """A picture that is here."""

    id: str
    state: ImageState
    failure: str | None = None
    file_name: str


class LookupResponse(Answer):
    """Those of the ids that are known; the others are not."""

    images: list[KnownImage]


# --- jobs ---


class JobFailure(Answer):
    """A picture that could not be indexed."""

    image_id: str
    file_name: str
    reason: str


class Job(Answer):
    """How far the pictures of one upload, or of several that share a job, have come."""

    job_id: str
    total: int
    stored: int = Field(description="Waiting, or in the hands of a worker")
    indexed: int
    failed: int
    gone: int = Field(description="Deleted meanwhile")
    done: bool = Field(description="Nothing of it waits any more")
    failures: list[JobFailure] = Field(default_factory=list, description="At most 100")
    created_at: datetime | None = None


# --- search ---

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Scalar = Annotated[bool, Field(strict=True)] | Annotated[Number, Field(strict=True)] | Text


class FilterRange(Question):
    """A range of numbers, or of times (RFC 3339)."""

    gte: Number | Text | None = None
    gt: Number | Text | None = None
    lte: Number | Text | None = None
    lt: Number | Text | None = None

    @model_validator(mode="after")
    def _bounded(self) -> FilterRange:
        if all(bound is None for bound in (self.gte, self.gt, self.lte, self.lt)):
            raise ValueError("a range needs at least one of gte, gt, lte, lt")
        return self


FilterValue = (
    Scalar
    | Annotated[list[Scalar], Field(min_length=1, max_length=MAX_FILTER_VALUES)]
    | FilterRange
)
Filters = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=128)], FilterValue],
    Field(max_length=MAX_FILTERS),
]


class SearchOptions(Question):
    """What every kind of search can be told."""

    top_k: int = Field(10, ge=1, le=MAX_TOP_K, description="At most so many results")
    score_threshold: float = Field(
        0.0, ge=0, le=1, allow_inf_nan=False, description="Leave out what is less similar (cosine)"
    )
    min_relevance: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Leave out what fits less probably: 0.5 means the same for every query",
    )
    filters: Filters = Field(
        default_factory=dict,
        description="Key to value, list of values (any of), or {gte, gt, lte, lt}",
    )


class SearchRequest(SearchOptions):
    """A search by description."""

    query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY_CHARS),
    ] = Field(description="What the picture shows")
    mode: Literal["auto", "visual"] = "auto"


class ImageSearchRequest(SearchOptions):
    """A search by a picture as JSON, for clients that cannot send multipart."""

    image_base64: str = Field(min_length=1, description="Standard base64, without a `data:` prefix")


class Location(Answer):
    """Where a picture was taken, degrees, WGS 84."""

    lat: float
    lon: float


class HitMetadata(Answer):
    """What the index knows of a picture; these are also the keys that filters may name."""

    file_name: str = ""
    file_path: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    tags: list[str] = Field(default_factory=list)
    category: str | None = None
    taken_at: str | None = None
    uploaded_at: str | None = None
    camera: str | None = None
    location: Location | None = None
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="The user's own keys; filter on `metadata.<name>`"
    )


class SearchHit(Answer):
    """One picture that was found."""

    id: str
    score: float = Field(description="Cosine similarity")
    relevance: float | None = Field(
        None,
        description="Probability that it fits, 0..1, where one picture of a hundred does;"
        " null without a calibration of the encoder",
    )
    url: str
    thumbnail_url: str
    metadata: HitMetadata


class SearchResponse(Answer):
    """The pictures found, best first."""

    query: str | None = Field(description="As searched; null when a picture was searched by")
    results: list[SearchHit]
    total: int = Field(description="How many results follow")
    latency_ms: float
    cached: bool = False
    explanation: str | None = None


Problem.model_rebuild()
Base64Upload.model_rebuild()
