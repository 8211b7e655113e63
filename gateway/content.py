"""GET /images/{id}/content: originals and renditions, streamed, with ETag, 304 and Range."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from gateway import examples
from gateway.images import known_image
from gateway.parts import Parts, PartsDep
from gateway.records import kind_of
from gateway.services import CONTENT_S
from viewfinder import api_models as api
from viewfinder.errors import InternalError, RangeNotSatisfiable
from viewfinder.telemetry import current_request_id
from viewfinder.v1 import catalog_pb2, image_pb2

DEFAULT_FORMAT = "webp"
WIDEST = 4096
_YEAR_S = 31_536_000
_HEATMAP_S = 300
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_PDF = "application/pdf"
_FIRST_PAGE = 1
_NAMES = {"webp": "webp", "jpeg": "jpg"}

router = APIRouter(tags=["pictures"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("image/*", "application/pdf")
        },
    },
    206: {"description": "The range asked for, of an original"},
    304: {"description": "What you have is still right"},
}


@router.head("/images/{image_id}/content", include_in_schema=False)
@router.get(
    "/images/{image_id}/content",
    summary="The original, or a rendition",
    response_class=Response,
    responses={**_ANSWERS, **examples.problems(404, 416, 422, 429)},
)
async def content(
    image_id: UUID,
    request: Request,
    parts: PartsDep,
    width: Annotated[
        int | None, Query(ge=1, le=WIDEST, description="At most so many pixels wide")
    ] = None,
    format: Annotated[api.RenditionFormat | None, Query()] = None,  # noqa: A002
) -> Response:
    """Without `width` and `format` the original, byte for byte; else a rendition, upright, never
    enlarged, at the next of the widths that are offered. A page has no original of its own: without
    both it is a WebP picture of its full size. The rendition of a document is its first page. Never
    changes under one address."""
    record = await known_image(parts, image_id)
    kind = kind_of(record)
    wanted = image_pb2.GetContentRequest(
        image_id=record.id,
        blob_key=record.blob_key,
        media_type=record.media_type,
        page=_FIRST_PAGE if kind == "document" else record.page,
        password=record.password,
    )
    if width is not None or format is not None or kind == "page":
        wanted.rendition.width = width or WIDEST
        wanted.rendition.format = format or DEFAULT_FORMAT
    else:
        wanted.original.SetInParent()
    return await send_content(parts, request, record, wanted)


async def send_content(
    parts: Parts,
    request: Request,
    record: catalog_pb2.ImageRecord,
    wanted: image_pb2.GetContentRequest,
) -> Response:
    """What image_service makes of `wanted`: whole, the range asked for, or that it is the same."""
    is_head = request.method == "HEAD"
    tags = request.headers.get("if-none-match")
    if tags is not None or is_head:
        head = await _head(parts, wanted)
        if tags is not None and _matches(tags, head.etag):
            return Response(
                status_code=HTTPStatus.NOT_MODIFIED, headers=_headers(parts, wanted, head)
            )
        if is_head:
            headers = _headers(parts, wanted, head)
            return Response(
                headers={**headers, **_shape(record, wanted, head)}, media_type=head.media_type
            )
    part = await _range(parts, request, record, wanted)
    if part is not None:
        wanted.original.offset, wanted.original.length = part
    return await _stream(parts, record, wanted, is_part=part is not None)


async def _stream(
    parts: Parts,
    record: catalog_pb2.ImageRecord,
    wanted: image_pb2.GetContentRequest,
    is_part: bool,
) -> Response:
    responses = aiter(parts.services.image.GetContent(wanted, timeout=CONTENT_S))
    first = await anext(responses, None)
    if first is None or first.WhichOneof("part") != "head":
        raise InternalError(request_id=current_request_id())
    head = first.head
    headers = {**_headers(parts, wanted, head), **_shape(record, wanted, head)}
    status = HTTPStatus.OK
    if is_part:
        status = HTTPStatus.PARTIAL_CONTENT
        last = head.offset + head.length - 1
        headers["Content-Range"] = f"bytes {head.offset}-{last}/{head.size_bytes}"
    return StreamingResponse(
        _chunks(responses), status_code=status, headers=headers, media_type=head.media_type
    )


async def _chunks(responses: AsyncIterator[image_pb2.GetContentResponse]) -> AsyncIterator[bytes]:
    async for response in responses:
        yield response.chunk


async def _head(parts: Parts, wanted: image_pb2.GetContentRequest) -> image_pb2.ContentHead:
    asked = image_pb2.GetContentRequest()
    asked.CopyFrom(wanted)
    asked.head_only = True
    async for response in parts.services.image.GetContent(asked, timeout=CONTENT_S):
        return response.head
    raise InternalError(request_id=current_request_id())


def _headers(
    parts: Parts, wanted: image_pb2.GetContentRequest, head: image_pb2.ContentHead
) -> dict[str, str]:
    """What a 304 says as well."""
    whose = "private" if parts.settings.api_key else "public"
    fresh = f"max-age={_YEAR_S}, immutable"
    if wanted.WhichOneof("what") == "heatmap":
        # Another encoder, or words read since, make another picture at the same address.
        fresh = f"max-age={_HEATMAP_S}"
    return {"ETag": f'"{head.etag}"', "Cache-Control": f"{whose}, {fresh}"}


def _shape(
    record: catalog_pb2.ImageRecord,
    wanted: image_pb2.GetContentRequest,
    head: image_pb2.ContentHead,
) -> dict[str, str]:
    headers = {"Content-Length": str(head.length)}
    name = record.file_name
    if wanted.WhichOneof("what") == "original":
        headers["Accept-Ranges"] = "bytes"
    else:
        kind = wanted.rendition.format or wanted.heatmap.format
        name = f"{name.rpartition('.')[0] or name}.{_NAMES[kind]}"
        if kind_of(record) == "page":
            name = f"{name.rpartition('.')[0]}-page-{record.page}.{name.rpartition('.')[2]}"
    if head.media_type == _PDF:
        # What a PDF does in a browser's own viewer stays there.
        headers["Content-Security-Policy"] = "sandbox"
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(name, safe='')}"
    return headers


def _matches(tags: str, etag: str) -> bool:
    """If-None-Match compares weakly (RFC 9110, 13.1.2)."""
    return tags.strip() == "*" or f'"{etag}"' in {
        tag.strip().removeprefix("W/") for tag in tags.split(",")
    }


async def _range(
    parts: Parts,
    request: Request,
    record: catalog_pb2.ImageRecord,
    wanted: image_pb2.GetContentRequest,
) -> tuple[int, int] | None:
    """(offset, length) of the one range asked for; None for the whole (RFC 9110, 14.2)."""
    asked = request.headers.get("range")
    if asked is None or wanted.WhichOneof("what") != "original":
        return None
    condition = request.headers.get("if-range")
    if condition is not None and condition != f'"{(await _head(parts, wanted)).etag}"':
        return None
    return byte_range(asked, record.size_bytes)


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """(offset, length) of `bytes=a-b`, `bytes=a-` or `bytes=-n`; None where it is to be ignored.

    Raises:
        RangeNotSatisfiable: it lies outside of the content.
    """
    match = _RANGE.fullmatch(asked.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        suffix = min(int(match[2]), size)
        if suffix == 0:
            raise RangeNotSatisfiable(offset=size, size_bytes=size)
        return size - suffix, suffix
    offset = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if offset >= size:
        raise RangeNotSatisfiable(offset=offset, size_bytes=size)
    if last < offset:
        return None
    return offset, last - offset + 1
