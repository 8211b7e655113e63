"""GET /images/{id}/heatmap: the picture or page, with what it was found by drawn on it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from gateway import examples
from gateway.content import DEFAULT_FORMAT, WIDEST, send_content
from gateway.images import known_image
from gateway.parts import Parts, PartsDep
from gateway.records import kind_of
from gateway.search_options import searchable
from gateway.services import QUICK_S
from viewfinder import api_models as api
from viewfinder.errors import InvalidRequest, NothingToShow
from viewfinder.matching import matching_words
from viewfinder.v1 import catalog_pb2, common_pb2, embedding_pb2, image_pb2, search_pb2

MOST_BOXES = 500
_DEFAULT_WIDTH = 1024

router = APIRouter(tags=["pictures"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture with marks",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "What you have is still right"},
}


@router.head("/images/{image_id}/heatmap", include_in_schema=False)
@router.get(
    "/images/{image_id}/heatmap",
    summary="Why a picture was found",
    response_class=Response,
    responses={**_ANSWERS, **examples.problems(404, 422, 429, 503, 504)},
)
async def heatmap(
    image_id: UUID,
    request: Request,
    parts: PartsDep,
    query: Annotated[api.QueryText, Query(description="What it was found by")],
    width: Annotated[
        int, Query(ge=1, le=WIDEST, description="At most so many pixels wide")
    ] = _DEFAULT_WIDTH,
    format: Annotated[api.RenditionFormat, Query()] = DEFAULT_FORMAT,  # noqa: A002
    show: Annotated[
        api.HeatmapShow,
        Query(
            description="`map`: where the encoder sees the query. `words`: the words of the query"
            " that stand there. `auto`: both, but on a page that has such words only these"
        ),
    ] = "auto",
) -> Response:
    """The picture at this width; bright and coloured where it shows what `query` says, with a box
    around words of it. What the encoder does not look at (the ends of a long picture) is dark."""
    record = await known_image(parts, image_id)
    if kind_of(record) == "document":
        pages = f"one of its pages: GET /images?document={record.id}"
        raise InvalidRequest(field="image_id", value="a document", allowed=pages)
    text = searchable(query)
    boxes = [] if show == "map" else await _matching_boxes(parts, record, text)
    has_map = show == "map" or (show == "auto" and not (boxes and record.page))
    if not has_map and not boxes:
        raise NothingToShow(query=query)
    wanted = image_pb2.GetContentRequest(
        image_id=record.id,
        blob_key=record.blob_key,
        media_type=record.media_type,
        page=record.page,
        password=record.password,
    )
    wanted.heatmap.width = width
    wanted.heatmap.format = format
    wanted.heatmap.boxes.extend(boxes)
    if has_map:
        wanted.heatmap.query = text
        wanted.heatmap.encoder = await _encoder_name(parts, record)
    return await send_content(parts, request, record, wanted)


async def _matching_boxes(
    parts: Parts, record: catalog_pb2.ImageRecord, query: str
) -> list[common_pb2.Word]:
    if not record.text_source:
        return []
    asked = catalog_pb2.GetTextRequest(id=record.id)
    read = await parts.services.catalog.GetText(asked, timeout=QUICK_S)
    words = read.text.words
    # Thousands of words take a few milliseconds, which others should not wait for.
    found = await asyncio.to_thread(matching_words, query, [word.text for word in words])
    return [_box(words[position]) for position in found[:MOST_BOXES]]


def _box(word: common_pb2.Word) -> common_pb2.Word:
    """Where it stands; all else of it changes nothing that is drawn."""
    left, top = _share(word.left), _share(word.top)
    right, bottom = max(left, _share(word.right)), max(top, _share(word.bottom))
    return common_pb2.Word(left=left, top=top, right=right, bottom=bottom)


def _share(value: float) -> float:
    """A word may stand beyond the edge; NaN is at the edge."""
    return min(value, 1.0) if value > 0 else 0.0


async def _encoder_name(parts: Parts, record: catalog_pb2.ImageRecord) -> str:
    """The encoder that searches are answered by; of pages the one for documents, where there is
    one. Empty, for the one of the settings, while the index is new."""
    if record.page:
        of_documents = embedding_pb2.GetSpecRequest(document=True)
        found = await parts.services.embedding.GetSpec(of_documents, timeout=QUICK_S)
        if found.HasField("spec"):
            return found.spec.name
    asked = search_pb2.GetCollectionRequest()
    return (await parts.services.search.GetCollection(asked, timeout=QUICK_S)).spec.name
