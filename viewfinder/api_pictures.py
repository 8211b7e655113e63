"""What is known of pictures, documents and pages, as the REST interface shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from viewfinder.api_base import Answer, Question
from viewfinder.api_descriptions import Description, DescriptionText

MAX_LOOKUP_IDS = 1000
MAX_LIST_LIMIT = 200
MAX_TAGS = 100
MAX_TAG_CHARS = 100

ImageKind = Literal["picture", "document", "page"]
ImageState = Literal["stored", "queued", "indexed", "failed", "deleting"]
RenditionFormat = Literal["webp", "jpeg"]
TextSource = Literal["pdf", "ocr"]

Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TAG_CHARS)
]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]


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
    """What is known of one picture, of a document (a PDF), or of one of its pages."""

    id: str
    kind: ImageKind = "picture"
    url: str = Field(description="The original; of a page, the page as a picture")
    thumbnail_url: str = Field(description="At most 320 pixels wide, WebP")
    state: ImageState
    failure: str | None = Field(None, description="Why it could not be indexed, when `failed`")
    document_id: str | None = Field(None, description="Of a page: the document it belongs to")
    document_url: str | None = Field(None, description="Of a page: the PDF")
    page: int | None = Field(None, description="Of a page: its number, from 1")
    pages: int | None = Field(None, description="Of a document and its pages: how many it has")
    pages_done: int | None = Field(
        None, description="Of a document: how many are indexed, or have failed"
    )
    text_source: TextSource | None = Field(
        None,
        description="What stands in it was read: `pdf` from its text layer, `ocr` by sight; null:"
        " not (yet)",
    )
    file_name: str
    file_path: str | None = None
    media_type: str = Field(description="Found in the content, not taken from the name")
    size_bytes: int = Field(description="Of the original; 0 for a page, which has none of its own")
    width: int = Field(
        description="Pixels, as shown: after EXIF rotation; of a page: at 150 dots an inch"
    )
    height: int
    tags: list[str] = Field(default_factory=list)
    description: Description | None = Field(
        None, description="What it shows, by a vision model or by hand; null: not described (yet)"
    )
    metadata: dict[str, Any] = Field(default_factory=dict)
    exif: Exif = Field(default_factory=Exif)
    sha256: str = ""
    uploaded_at: datetime | None = None
    indexed_at: datetime | None = None


class ImageList(Answer):
    """Some pictures and documents, newest first, or pages of one document in their order."""

    images: list[ImageRecord]
    next_cursor: str | None = Field(None, description="Absent at the end")
    total: int = Field(description="Of all that match")


class ImageUpdate(Question):
    """What may be changed of a picture. What is left out stays; what is given replaces."""

    tags: Tags | None = None
    metadata: dict[str, Any] | None = None
    description: DescriptionText | None = Field(
        None, description="By hand: no model replaces it unless told its id. null takes it away"
    )

    @model_validator(mode="after")
    def _something(self) -> ImageUpdate:
        has_description = "description" in self.model_fields_set
        if self.tags is None and self.metadata is None and not has_description:
            raise ValueError("give tags, metadata or description")
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


class Word(Answer):
    """A word, and its box in shares (0..1) of the picture's width and height, from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: int = Field(description="Words of one line have the same number")
    confidence: float = Field(1.0, description="0..1; 1 of a text layer")


class PictureText(Answer):
    """What stands in a picture or on a page, in reading order."""

    source: TextSource | None = Field(None, description="As in its record; null: not read (yet)")
    text: str = ""
    words: list[Word] = Field(default_factory=list)
