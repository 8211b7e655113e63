"""What goes in and out of POST /answer: questions about pictures, and what a vision model says."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from viewfinder.api_base import Answer, Question
from viewfinder.api_models import SearchMode, SearchOptions
from viewfinder.api_query import QueryText

MAX_QUESTION_CHARS = 2000
MAX_SHOWN = 5
MAX_MESSAGES = 20
MAX_MESSAGE_CHARS = 8000

QuestionText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUESTION_CHARS),
]
MessageText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_MESSAGE_CHARS)]


class ConversationMessage(Question):
    """What was said before."""

    role: Literal["user", "assistant"]
    content: MessageText


class AnswerRequest(SearchOptions):
    """A question about pictures: about those that a search finds, or about these."""

    question: QuestionText = Field(description="In any language the model knows")
    query: QueryText | None = Field(
        None, description="What to search for, where it is not best found by the question itself"
    )
    mode: SearchMode = Field("auto", description="As for POST /search")
    top_k: int = Field(1, ge=1, le=MAX_SHOWN, description="So many of the best are looked at")
    min_relevance: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="What fits less probably is not looked at; when left out"
        " VIEWFINDER_ANSWER_MIN_RELEVANCE, but for pictures whose words were found",
    )
    image_ids: list[UUID] = Field(
        default_factory=list,
        max_length=MAX_SHOWN,
        description="Look at these instead of searching, such as `used` of the answer before",
    )
    messages: list[ConversationMessage] = Field(
        default_factory=list,
        max_length=MAX_MESSAGES,
        description="The conversation so far, the oldest first; nothing of it is kept here",
    )
    search: bool = Field(
        False, description="Search for this question although `image_ids` are given"
    )
    stream: bool = Field(
        False,
        description="Answer with server-sent events: `sources`, then `token`, then `done`; `error`"
        " when it fails on the way",
    )

    @model_validator(mode="after")
    def _of_one_page(self) -> AnswerRequest:
        for name in ("cursor", "facets", "exact"):
            if name in self.model_fields_set and getattr(self, name):
                raise ValueError(f"{name} is for searches, not for questions")
        return self


class AnswerSource(Answer):
    """A picture or page that the model looks at."""

    number: int = Field(description="The answer names it as [1], [2]")
    id: str
    file_name: str
    page: int | None = Field(None, description="Of a page of a PDF, from 1")
    document_id: str | None = None
    url: str
    thumbnail_url: str
    score: float | None = Field(None, description="Cosine similarity, where it was searched for")
    relevance: float | None = None


class AnswerSources(Answer):
    """Event `sources`: what the model is about to see. A later one replaces it."""

    sources: list[AnswerSource]
    model: str


class AnswerToken(Answer):
    """Event `token`: the next piece of the answer, plain text."""

    text: str


class AnswerTimings(Answer):
    """Where the time went, milliseconds."""

    search_ms: float = Field(0.0, description="Until it was known what to look at")
    pictures_ms: float = Field(0.0, description="Fetching these at the size the model wants")
    first_token_ms: float | None = Field(
        None, description="From the request to the first piece of the answer"
    )
    model_ms: float = Field(0.0, description="From asking the model to its last word")
    total_ms: float = 0.0


class AnswerResponse(Answer):
    """The whole answer; also event `done`."""

    question: str
    answer: str = Field(description="Plain text")
    found: bool = Field(description="false: nothing relevant was found, so no model was asked")
    sources: list[AnswerSource] = Field(description="What the model was shown, in its order")
    used: list[str] = Field(description="Their ids, for `image_ids` of a question that follows")
    cited: list[str] = Field(
        default_factory=list, description="Ids of those that the answer names as [1], [2]"
    )
    model: str
    timings: AnswerTimings


class VisionStatus(Answer):
    """Whether questions can be answered."""

    enabled: bool
    ready: bool = Field(description="The server answers and has the model, as far as it tells")
    model: str | None = None
    server: str | None = None
    detail: str = Field("", description="What is missing, and what to do about it")
