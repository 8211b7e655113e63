"""/images: what is known of pictures, changing and removing them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Body, Query, Response

from gateway import examples
from gateway.answers import answer
from gateway.descriptions import written
from gateway.json_values import checked_metadata
from gateway.parts import Parts, PartsDep
from gateway.records import image_record, kind_of, picture_text, state_of
from gateway.services import QUICK_S
from viewfinder import api_models as api
from viewfinder.errors import ImageNotFound, InvalidRequest, ViewfinderError
from viewfinder.ids import page_id
from viewfinder.v1 import catalog_pb2, search_pb2

_FORGET_S = 2.0
_DELETING = "deleting"

router = APIRouter(tags=["pictures"])
log = structlog.get_logger()


async def known_image(parts: Parts, image_id: UUID) -> catalog_pb2.ImageRecord:
    """The record of a picture.

    Raises:
        ImageNotFound: there is none, or it is being deleted.
    """
    request = catalog_pb2.GetImagesRequest(ids=[str(image_id)])
    found = await parts.services.catalog.GetImages(request, timeout=QUICK_S)
    if not found.images or found.images[0].state == _DELETING:
        raise ImageNotFound(image_id=str(image_id))
    return found.images[0]


@router.get(
    "/images",
    summary="List pictures and documents, newest first, or the pages of one document",
    response_model=api.ImageList,
    response_model_exclude_none=False,
    responses=examples.problems(422),
)
async def list_images(
    parts: PartsDep,
    limit: Annotated[int, Query(ge=1, le=api.MAX_LIST_LIMIT)] = 50,
    cursor: Annotated[
        str, Query(max_length=512, description="`next_cursor` of the page before")
    ] = "",
    state: Annotated[list[api.ImageState] | None, Query(description="In any of these")] = None,
    tag: Annotated[
        list[api.Tag] | None, Query(max_length=api.MAX_TAGS, description="With all of these")
    ] = None,
    document: Annotated[
        UUID | None, Query(description="Its pages, in their order, in place of all the rest")
    ] = None,
) -> Response:
    """A page of the list; what is being deleted only when asked for."""
    request = catalog_pb2.ListImagesRequest(
        limit=limit,
        cursor=cursor,
        states=state or (),
        tags=tag or (),
        document_id="" if document is None else str(document),
    )
    page = await parts.services.catalog.ListImages(request, timeout=QUICK_S)
    return answer(
        api.ImageList(
            images=[image_record(record, parts.urls) for record in page.images],
            next_cursor=page.next_cursor or None,
            total=page.total,
        )
    )


@router.post(
    "/images/lookup",
    summary="Which of these ids are known",
    response_model=api.LookupResponse,
    responses=examples.problems(422),
)
async def lookup(
    asked: Annotated[api.LookupRequest, Body(openapi_examples=examples.LOOKUP)], parts: PartsDep
) -> Response:
    """The ids are made of the files' SHA-256, so a client can ask before it sends."""
    request = catalog_pb2.GetImagesRequest(ids=[str(image_id) for image_id in asked.ids])
    found = await parts.services.catalog.GetImages(request, timeout=QUICK_S)
    known = [
        api.KnownImage(
            id=record.id,
            state=state_of(record),
            failure=record.failure or None,
            file_name=record.file_name,
        )
        for record in found.images
        if record.state != _DELETING
    ]
    return answer(api.LookupResponse(images=known))


@router.get(
    "/images/{image_id}",
    summary="One picture's record",
    response_model=api.ImageRecord,
    responses=examples.problems(404, 422),
)
async def get_image(image_id: UUID, parts: PartsDep) -> Response:
    """State, size, EXIF, tags and metadata."""
    return answer(image_record(await known_image(parts, image_id), parts.urls))


@router.get(
    "/images/{image_id}/text",
    summary="What stands in a picture or on a page",
    response_model=api.PictureText,
    responses=examples.problems(404, 422),
)
async def get_text(image_id: UUID, parts: PartsDep) -> Response:
    """Its words with their places: of the text layer of a page, else read by sight (OCR). Without
    a `source` nobody has looked yet. A document has no text of its own: ask for its pages."""
    record = await known_image(parts, image_id)
    if kind_of(record) == "document":
        raise InvalidRequest(
            field="id",
            value=f"{image_id}, a document",
            allowed=f"its pages, see /images?document={image_id}",
        )
    found = await parts.services.catalog.GetText(
        catalog_pb2.GetTextRequest(id=record.id), timeout=QUICK_S
    )
    return answer(picture_text(found.text) if found.HasField("text") else api.PictureText())


@router.patch(
    "/images/{image_id}",
    summary="Change tags, metadata and description",
    response_model=api.ImageRecord,
    responses=examples.problems(404, 409, 413, 422),
)
async def update_image(
    image_id: UUID,
    change: Annotated[api.ImageUpdate, Body(openapi_examples=examples.UPDATE)],
    parts: PartsDep,
) -> Response:
    """What is given replaces, what is left out stays. The index follows within moments. Pages have
    what their document has, and are not changed alone, but each has a description of its own. A
    `description` counts as edited by hand; null takes it away."""
    request = catalog_pb2.UpdateImageRequest(id=str(image_id))
    if change.tags is not None:
        request.tags.values.extend(change.tags)
        request.tags.SetInParent()
    if change.metadata is not None:
        limit = parts.settings.max_metadata_bytes
        request.metadata.CopyFrom(checked_metadata(change.metadata, limit))
    if "description" in change.model_fields_set:
        request.description.CopyFrom(written(change.description))
        request.description.SetInParent()
    record = await parts.services.catalog.UpdateImage(request, timeout=QUICK_S)
    return answer(image_record(record, parts.urls))


@router.delete(
    "/images/{image_id}",
    summary="Remove a picture or document everywhere",
    status_code=HTTPStatus.NO_CONTENT,
    responses=examples.problems(404, 409, 422),
)
async def delete_image(image_id: UUID, parts: PartsDep) -> Response:
    """Gone for every caller when this answers, a document with all its pages; the bytes follow
    within moments. A page goes with its document only."""
    record = await known_image(parts, image_id)
    request = catalog_pb2.DeleteImageRequest(id=record.id)
    await parts.services.catalog.DeleteImage(request, timeout=QUICK_S)
    pages = [str(page_id(image_id, number)) for number in range(1, record.pages + 1)]
    await _forget(parts, [record.id, *pages])
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _forget(parts: Parts, ids: list[str]) -> None:
    """Take them out of the index at once. Where that fails, the worker does it a little later."""
    try:
        await parts.services.search.DeletePoints(
            search_pb2.DeletePointsRequest(ids=ids), timeout=_FORGET_S
        )
    except ViewfinderError as error:
        log.warning("still in the index for a moment", image_id=ids[0], code=error.code)
