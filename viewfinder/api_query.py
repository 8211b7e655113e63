"""The query language of the REST interface: filters, examples, facets. See docs/searching.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from viewfinder.api_base import Answer, Question

MAX_QUERY_CHARS = 512
MAX_FILTERS = 32
MAX_FILTER_VALUES = 256
MAX_NEGATIVES = 8
MAX_EXAMPLES = 8
MAX_FACETS = 8
MAX_WEIGHT = 100.0
MAX_CURSOR_CHARS = 8192
NEGATIVE_WEIGHT = 0.4
"""Of all `negative` texts together, where the query has 1. Measured, see docs/searching.md."""

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Scalar = Annotated[bool, Field(strict=True)] | Annotated[Number, Field(strict=True)] | Text
Values = Annotated[list[Scalar], Field(min_length=1, max_length=MAX_FILTER_VALUES)]
Degrees = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]

QueryText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY_CHARS)
]
Weight = Annotated[float, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT, allow_inf_nan=False)]
Sort = Literal["relevance", "newest", "oldest"]
GroupBy = Literal["document", "none"]
FacetKey = Annotated[str, StringConstraints(min_length=1, max_length=140)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CURSOR_CHARS)]
Collapse = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Corner(Question):
    """Of a box, degrees, WGS 84."""

    lat: Degrees
    lon: Degrees


class FilterPart(Question):
    """What a value must be; all that is given must hold.

    A range of numbers or times (RFC 3339), a place at most `radius_m` metres from `lat`, `lon`,
    a place in a box, one of `any`, there at all (`exists`).
    """

    gte: Number | Text | None = None
    gt: Number | Text | None = None
    lte: Number | Text | None = None
    lt: Number | Text | None = None
    any: Values | None = None
    exists: Annotated[bool, Field(strict=True)] | None = None
    lat: Degrees | None = None
    lon: Degrees | None = None
    radius_m: Number | None = None
    top: Degrees | None = None
    left: Degrees | None = None
    bottom: Degrees | None = None
    right: Degrees | None = None
    top_left: Corner | None = None
    bottom_right: Corner | None = None

    @model_validator(mode="after")
    def _says_something(self) -> FilterPart:
        if not self.model_dump(exclude_none=True):
            raise ValueError("give a range, any, exists, not, or a place")
        return self


class FilterObject(FilterPart):
    """The same, and what it must `not` be."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    not_: Scalar | Values | FilterPart | None = Field(None, alias="not")


FilterValue = Scalar | Values | FilterObject
Filters = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=140)], FilterValue],
    Field(max_length=MAX_FILTERS),
]


class Example(Question):
    """Another part of the query: a text or a picture that is here."""

    text: QueryText | None = None
    image_id: UUID | None = None
    weight: Weight = Field(1.0, description="Below 0: away from it; the query itself has `weight`")

    @model_validator(mode="after")
    def _one_thing(self) -> Example:
        if (self.text is None) == (self.image_id is None):
            raise ValueError("give text or image_id")
        if self.weight == 0:
            raise ValueError("the weight may not be 0")
        return self


class FacetValue(Answer):
    """A value, and how many pictures have it."""

    value: str | bool | int | float
    count: int


class Facet(Answer):
    """The most frequent values of a key."""

    key: str
    values: list[FacetValue]
    among: int | None = Field(
        None, description="Counted among so many best results only; null: among all that match"
    )


class DocumentPage(Answer):
    """Another page of a document that was found."""

    id: str
    score: float
    page: int | None = None
    url: str
    thumbnail_url: str


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
    document: str | None = Field(None, description="Of a page: the id of its document")
    page: int | None = Field(None, description="Of a page: its number, from 1")
    pages: int | None = Field(None, description="Of a page: how many its document has")
    description: str | None = Field(None, description="The caption of its description")
    location: Location | None = None
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="The user's own keys; filter on `metadata.<name>`"
    )


class Reranking(Answer):
    """What became of `rerank`."""

    applied: bool = Field(description="false: the results stand as they were found")
    why: str | None = Field(None, description="Why it was not applied")
    model: str
    looked_at: int = Field(0, description="So many of the results")
    took_ms: float = 0.0
