"""What goes in and out of the REST interface; the gateway and its clients share these models.

Those about the running of Viewfinder itself are in api_operations.py; all are found here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr

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
from viewfinder.api_pictures import MAX_LIST_LIMIT as MAX_LIST_LIMIT
from viewfinder.api_pictures import MAX_LOOKUP_IDS as MAX_LOOKUP_IDS
from viewfinder.api_pictures import MAX_TAG_CHARS as MAX_TAG_CHARS
from viewfinder.api_pictures import MAX_TAGS as MAX_TAGS
from viewfinder.api_pictures import Exif as Exif
from viewfinder.api_pictures import ImageKind as ImageKind
from viewfinder.api_pictures import ImageList as ImageList
from viewfinder.api_pictures import ImageRecord as ImageRecord
from viewfinder.api_pictures import ImageState as ImageState
from viewfinder.api_pictures import ImageUpdate as ImageUpdate
from viewfinder.api_pictures import KnownImage as KnownImage
from viewfinder.api_pictures import LookupRequest as LookupRequest
from viewfinder.api_pictures import LookupResponse as LookupResponse
from viewfinder.api_pictures import PictureText as PictureText
from viewfinder.api_pictures import RenditionFormat as RenditionFormat
from viewfinder.api_pictures import Tag as Tag
from viewfinder.api_pictures import Tags as Tags
from viewfinder.api_pictures import TextSource as TextSource
from viewfinder.api_pictures import Word as Word
from viewfinder.api_query import MAX_CURSOR_CHARS as MAX_CURSOR_CHARS
from viewfinder.api_query import MAX_EXAMPLES as MAX_EXAMPLES
from viewfinder.api_query import MAX_FACETS as MAX_FACETS
from viewfinder.api_query import MAX_NEGATIVES as MAX_NEGATIVES
from viewfinder.api_query import MAX_QUERY_CHARS as MAX_QUERY_CHARS
from viewfinder.api_query import NEGATIVE_WEIGHT as NEGATIVE_WEIGHT
from viewfinder.api_query import Collapse as Collapse
from viewfinder.api_query import Cursor as Cursor
from viewfinder.api_query import DocumentPage as DocumentPage
from viewfinder.api_query import Example as Example
from viewfinder.api_query import Facet as Facet
from viewfinder.api_query import FacetKey as FacetKey
from viewfinder.api_query import FacetValue as FacetValue
from viewfinder.api_query import FilterObject as FilterObject
from viewfinder.api_query import FilterPart as FilterPart
from viewfinder.api_query import Filters as Filters
from viewfinder.api_query import FilterValue as FilterValue
from viewfinder.api_query import GroupBy as GroupBy
from viewfinder.api_query import HitMetadata as HitMetadata
from viewfinder.api_query import Location as Location
from viewfinder.api_query import QueryText as QueryText
from viewfinder.api_query import Reranking as Reranking
from viewfinder.api_query import Sort as Sort
from viewfinder.api_query import Weight as Weight

MAX_TOP_K = 100
MAX_PASSWORD_CHARS = 200
MAX_RERANKED = 10

HeatmapShow = Literal["auto", "map", "words"]
SearchMode = Literal["auto", "visual", "hybrid", "document", "description"]


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


class UploadedImage(Answer):
    """An accepted file: durable, and searchable soon."""

    id: str
    url: str
    thumbnail_url: str
    state: ImageState
    duplicate: bool = Field(description="These bytes were here already; the id is the one of then")
    file_name: str
    pages: int | None = Field(None, description="Of a document (a PDF): how many it has")


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
    """One picture or PDF as JSON, for clients that cannot send multipart."""

    filename: str = Field(min_length=1, max_length=255)
    image_base64: str = Field(min_length=1, description="Standard base64, without a `data:` prefix")
    tags: Tags = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    job_id: UUID | None = Field(None, description="Uploads with the same one share a job")
    file_path: str = Field("", max_length=4096)
    password: SecretStr = Field(
        SecretStr(""), max_length=MAX_PASSWORD_CHARS, description="That opens a PDF"
    )
    describe: bool = Field(False, description="By the vision model, once it is indexed")


# --- jobs ---


class JobFailure(Answer):
    """A picture or page that could not be indexed."""

    image_id: str
    file_name: str
    reason: str


class Job(Answer):
    """How far the pictures and pages of one upload, or of several that share a job, have come."""

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
        description="Key to value, list of values (any of), or an object: a range of gte, gt, lte,"
        " lt; any, exists, not; a place. All must hold",
    )
    weight: Weight = Field(1.0, description="Of the query itself, beside those of `examples`")
    negative: QueryText | Annotated[list[QueryText], Field(max_length=MAX_NEGATIVES)] = Field(
        default_factory=list,
        description=f"What to move away from, with a weight of {NEGATIVE_WEIGHT} together",
    )
    examples: list[Example] = Field(
        default_factory=list,
        max_length=MAX_EXAMPLES,
        description="Further texts, and pictures that are here, each with its weight",
    )
    facets: list[FacetKey] = Field(
        default_factory=list,
        max_length=MAX_FACETS,
        description="Keys to count the values of, among all that matches the filters: tags,"
        " category, media_type, camera, document, metadata.<name>",
    )
    group_by: GroupBy | None = Field(
        None,
        description="`document`: one result a document, with its pages; so in mode `document`"
        " unless `none`",
    )
    collapse: Collapse = Field(
        0.0,
        description="Pictures at least so alike (cosine, from 0.5) are one result; 0: off",
    )
    sort: Sort = Field(
        "relevance", description="By time: among the 1000 best; taken_at, or else uploaded_at"
    )
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before")
    exact: bool = Field(
        False,
        description="Compare with every vector: slow; to judge the answers of the graph by",
    )


class SearchRequest(SearchOptions):
    """A search by description."""

    query: QueryText = Field(description="What the picture shows")
    mode: SearchMode = Field(
        "auto",
        description="`visual`: by what pictures show. `hybrid`: by the text in them, file name,"
        " folder, tags and other words as well. `auto`: those count a little, and up to ten"
        " pictures that have all words of the query come first. `document`: pages of documents"
        " only, one result a document, mostly by what stands on them. `description`: what was"
        " described only (see POST /descriptions), mostly by those words",
    )
    rerank: bool = Field(
        False,
        description=f"Have the vision model look at the best {MAX_RERANKED} and put those that fit"
        " best first; takes seconds, and falls back to the order found",
    )
    rerank_keep: int = Field(
        4, ge=1, le=MAX_RERANKED, description="So many are put first by the vision model"
    )
    include_explanation: bool = Field(
        False, description="Have the vision model say in a few sentences why these were found"
    )


class ImageSearchOptions(SearchOptions):
    """A search by a picture, and perhaps by words together with it."""

    query: QueryText | None = Field(None, description="What it should show besides")
    query_weight: Weight = Field(1.0, description="Of `query`, where the picture has `weight`")


class ImageSearchRequest(ImageSearchOptions):
    """The same as JSON, for clients that cannot send multipart."""

    image_base64: str = Field(min_length=1, description="Standard base64, without a `data:` prefix")


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
    heatmap_url: str | None = Field(
        None, description="The picture with what `query` found on it; null without a text"
    )
    metadata: HitMetadata
    matched: list[str] = Field(
        default_factory=list,
        description="Words of the query that are in its name, tags or other words",
    )
    late_score: float | None = Field(
        None,
        description="Of a page found by a document encoder: MaxSim a token of the query",
    )
    same_ids: list[str] = Field(
        default_factory=list, description="With `collapse`: pictures that look the same"
    )
    pages: list[DocumentPage] = Field(
        default_factory=list, description="With `group_by`: other pages of the document, best first"
    )
    reason: str | None = Field(
        None, description="With `rerank`: why the vision model put it where it stands"
    )


class SearchResponse(Answer):
    """The pictures found, best first."""

    query: str | None = Field(description="As searched; null when a picture was searched by")
    results: list[SearchHit]
    total: int = Field(description="How many results follow")
    next_cursor: str | None = Field(None, description="For the next page; null on the last one")
    facets: list[Facet] = Field(default_factory=list)
    latency_ms: float
    cached: bool = False
    explanation: str | None = Field(None, description="Plain text, names results as [1], [2]")
    explanation_error: str | None = Field(None, description="Why there is none")
    rerank: Reranking | None = Field(None, description="With `rerank`: what became of it")


Problem.model_rebuild()
Base64Upload.model_rebuild()
