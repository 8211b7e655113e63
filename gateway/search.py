"""Search by description, by picture, and by a picture that is here."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from google.protobuf.struct_pb2 import Struct

from gateway import examples
from gateway.answers import answer
from gateway.base64_picture import from_base64
from gateway.forms import Field, FileBytes, FileStart, read_form
from gateway.images import known_image
from gateway.json_values import is_text, parse_object, to_struct
from gateway.parts import Parts, PartsDep
from gateway.records import search_hit
from gateway.services import SEARCH_S
from viewfinder import api_models as api
from viewfinder.errors import FileTooLarge, ImageNotIndexed, InvalidRequest, ViewfinderError
from viewfinder.v1 import search_pb2

router = APIRouter(tags=["search"])

_MS = 1000.0
_FORM_FIELDS = ("top_k", "score_threshold", "min_relevance", "filters")
_FAILURES = examples.problems(409, 422, 429, 503, 504)


@router.post(
    "/search",
    summary="Search by description",
    response_model=api.SearchResponse,
    responses=_FAILURES,
)
async def search(
    asked: Annotated[api.SearchRequest, Body(openapi_examples=examples.SEARCH)], parts: PartsDep
) -> Response:
    """The pictures that `query` describes, best first."""
    start = time.perf_counter()
    request = search_pb2.SearchRequest(
        text=_searchable(asked.query),
        top_k=asked.top_k,
        score_threshold=asked.score_threshold,
        min_relevance=asked.min_relevance,
        filters=filters_struct(asked.filters),
    )
    return _answer(parts, request, await _search(parts, request), asked.query, start)


@router.post(
    "/search/image",
    summary="Search by a picture",
    response_model=api.SearchResponse,
    responses={**_FAILURES, **examples.problems(413, 415)},
    openapi_extra=examples.SEARCH_BY_IMAGE,
)
async def search_by_image(request: Request, parts: PartsDep) -> Response:
    """The pictures most like the one sent, which is not stored."""
    start = time.perf_counter()
    content_type = request.headers.get("content-type", "")
    limit = parts.settings.max_inline_image_bytes
    if content_type.partition(";")[0].strip().lower() == "application/json":
        body = api.ImageSearchRequest.model_validate_json(await request.body())
        data = await asyncio.to_thread(from_base64, body.image_base64, limit)
        options: api.SearchOptions = body
        file_name = "picture"
    else:
        data, file_name, options = await _read_form(request, parts)
    wanted = search_pb2.SearchRequest(
        top_k=options.top_k,
        score_threshold=options.score_threshold,
        min_relevance=options.min_relevance,
        filters=filters_struct(options.filters),
    )
    return _answer(parts, wanted, await _by_picture(parts, wanted, data, file_name), None, start)


async def _by_picture(
    parts: Parts, wanted: search_pb2.SearchRequest, data: bytes, file_name: str
) -> search_pb2.SearchResponse:
    """Once more when the index was switched to an encoder that wants pictures in another way."""
    wanted.pixels.CopyFrom(await parts.query_pictures.prepare(data, file_name))
    try:
        found = await _search(parts, wanted)
    except InvalidRequest:
        # Perhaps of another size than its encoder wants; asked again it says what is wrong.
        parts.query_pictures.forget_spec()
    except ViewfinderError:
        parts.query_pictures.forget_spec()
        raise
    else:
        if not found.HasField("spec") or parts.query_pictures.suits(found.spec):
            return found
    wanted.pixels.CopyFrom(await parts.query_pictures.prepare(data, file_name))
    return await _search(parts, wanted)


@router.get(
    "/images/{image_id}/similar",
    summary="Pictures most like this one",
    response_model=api.SearchResponse,
    responses={**_FAILURES, **examples.problems(404)},
)
async def similar(
    image_id: UUID,
    parts: PartsDep,
    top_k: Annotated[int, Query(ge=1, le=api.MAX_TOP_K)] = 10,
    score_threshold: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
    min_relevance: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
) -> Response:
    """Nearest pictures to this one, itself left out."""
    start = time.perf_counter()
    record = await known_image(parts, image_id)
    wanted = search_pb2.SearchRequest(
        image_id=record.id,
        top_k=top_k,
        score_threshold=score_threshold,
        min_relevance=min_relevance,
    )
    try:
        found = await _search(parts, wanted)
    except ImageNotIndexed:
        raise ImageNotIndexed(image_id=record.id, state=record.state) from None
    return _answer(parts, wanted, found, None, start)


async def _search(parts: Parts, request: search_pb2.SearchRequest) -> search_pb2.SearchResponse:
    return await parts.services.search.Search(request, timeout=SEARCH_S)


def _answer(
    parts: Parts,
    request: search_pb2.SearchRequest,
    found: search_pb2.SearchResponse,
    query: str | None,
    start: float,
) -> Response:
    hits = [search_hit(hit, parts.urls) for hit in found.hits]
    latency_ms = (time.perf_counter() - start) * _MS
    latencies, hops = parts.latencies, parts.metrics.hops
    latencies.total.add(latency_ms)
    latencies.search.add(found.index_ms)
    hops.labels("total").observe(latency_ms / _MS)
    hops.labels("index").observe(found.index_ms / _MS)
    if query is not None or request.WhichOneof("query") == "pixels":
        latencies.embedding.add(found.embed_ms)
        hops.labels("embedding").observe(found.embed_ms / _MS)
    return answer(
        api.SearchResponse(
            query=query, results=hits, total=len(hits), latency_ms=round(latency_ms, 3)
        )
    )


async def _read_form(request: Request, parts: Parts) -> tuple[bytes, str, api.SearchOptions]:
    """(bytes, file name, options) of a form with one file."""
    limit = parts.settings.max_inline_image_bytes
    values: dict[str, Any] = {}
    data, file_name, files = bytearray(), "", 0
    async for event in read_form(request, parts.settings.max_body_bytes):
        if isinstance(event, FileBytes):
            data += event.data
            if len(data) > limit:
                raise FileTooLarge(size_bytes=len(data), limit_bytes=limit)
        elif isinstance(event, FileStart):
            file_name, files = event.file_name, files + 1
        elif isinstance(event, Field):
            if event.name not in _FORM_FIELDS:
                allowed = f"{', '.join(_FORM_FIELDS)}, and one file"
                raise InvalidRequest(
                    field="form", value=f"a field {event.name[:100]!a}", allowed=allowed
                )
            is_object = event.name == "filters"
            values[event.name] = parse_object(event.value, "filters") if is_object else event.value
    if files != 1:
        raise InvalidRequest(field="file", value=f"{files} files", allowed="one")
    return bytes(data), file_name, api.SearchOptions.model_validate(values)


def filters_struct(filters: dict[str, api.FilterValue]) -> Struct:
    """Checked filters, ready to travel."""
    return to_struct(
        {
            key: value.model_dump(exclude_none=True)
            if isinstance(value, api.FilterRange)
            else value
            for key, value in filters.items()
        }
    )


def _searchable(query: str) -> str:
    if not is_text(query):
        raise InvalidRequest(field="query", value=ascii(query[:100]), allowed="Unicode text")
    return query
