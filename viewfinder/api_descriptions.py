"""What goes in and out of the REST interface about descriptions: what pictures and pages show, told
by a vision model or by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from viewfinder.api_base import Answer, Question

MAX_DESCRIBED_IDS = 1000

_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
_Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Description(Answer):
    """What a picture or page shows."""

    caption: str = Field(description="One or two sentences")
    objects: list[str] = Field(default_factory=list)
    text: str = Field("", description="That can be read in it")
    colours: list[str] = Field(default_factory=list)
    setting: str = Field("", description="Place, time of day, kind of picture")
    model: str | None = Field(None, description="That made it; null: written by hand")
    edited: bool = Field(False, description="By hand; no model replaces it unless told its id")
    described_at: datetime | None = None


class DescriptionText(Question):
    """A description in your own words."""

    caption: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    objects: list[_Word] = Field(default_factory=list, max_length=50)
    text: str = Field("", max_length=8000)
    colours: list[_Word] = Field(default_factory=list, max_length=50)
    setting: str = Field("", max_length=400)


class DescriptionsRequest(Question):
    """What is to be described: `ids`, or all that meets `tag`, `state` and `document`, or `all`."""

    ids: list[UUID] = Field(
        default_factory=list,
        max_length=MAX_DESCRIBED_IDS,
        description="Pictures, pages, and documents with all their pages; before all others",
    )
    tag: list[_Tag] = Field(default_factory=list, max_length=100, description="With all of these")
    state: list[Literal["indexed", "stored", "queued"]] = Field(
        default_factory=list, description="In any of these; what is not indexed yet waits for that"
    )
    document: UUID | None = Field(None, description="Its pages")
    all: bool = Field(False, description="Everything")
    again: bool = Field(
        False,
        description="Also what is described already; what was edited by hand only by its id",
    )
    failed: bool = Field(
        False,
        description="Of those meant, only what could not be described. Without it, what this model"
        " failed at is left out, but where it is named or asked for again",
    )
    other_model: bool = Field(False, description="Also what another model described")
    limit: int = Field(0, ge=0, le=10_000_000, description="The newest, so many; 0: all of them")
    dry_run: bool = Field(False, description="Only count, and tell what it would cost")

    @model_validator(mode="after")
    def _one_of(self) -> DescriptionsRequest:
        has_filters = bool(self.tag or self.state or self.document)
        if bool(self.ids) + has_filters + self.all != 1:
            raise ValueError("give one of ids, filters (tag, state, document), all")
        return self


class DescriptionEstimate(Answer):
    """What it costs, about."""

    input_tokens: int = Field(description="Of pictures as large as they are sent, and the prompt")
    output_tokens: int
    cost: float | None = Field(
        None, description="In the money of VIEWFINDER_LLM_PRICE_PER_IMAGE; null: that is not set"
    )
    seconds: float | None = Field(
        None, description="From what this model took so far; null: it has described nothing yet"
    )


class DescriptionsAsked(Answer):
    """What came of a request."""

    asked: int = Field(description="Are to be described now; of a dry run: would be")
    waiting: int = Field(description="Of those meant: waited already")
    described: int = Field(description="Of those meant: are described, and stay so")
    failed: int = Field(
        0, description="Of those meant: this model failed at them, and is not asked"
    )
    unknown: int = Field(description="Of `ids`: not there")
    model: str
    dry_run: bool = False
    estimate: DescriptionEstimate


class DescriptionFailure(Answer):
    """A picture or page that a model could not describe."""

    image_id: str
    file_name: str
    reason: str


class DescriptionProgress(Answer):
    """How far the descriptions are."""

    enabled: bool = Field(description="There is a vision model")
    model: str | None = None
    waiting: int
    in_hand: int = Field(description="Of those waiting: the model works on them")
    described: int
    edited: int = Field(description="Of those described: by hand")
    failed: int
    mean_s: float | None = Field(None, description="That this model takes for one")
    remaining_s: float | None = Field(None, description="Until none waits any more, about")
    remaining_cost: float | None = None
    held_up: str | None = Field(
        None, description="Why the last one was put off, such as a model that is away; null: not"
    )
    failures: list[DescriptionFailure] = Field(
        default_factory=list, description="The last ones, at most 100"
    )


class DescriptionsStopped(Answer):
    """How many are not described any more."""

    stopped: int
