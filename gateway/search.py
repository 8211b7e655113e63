"""Search by description, by picture, and by a picture that is here."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response

from gateway import examples, reranking
from gateway.answers import answer
from gateway.base64_picture import from_base64
from gateway.forms import Field, FileBytes, FileStart, read_form
from gateway.images import known_image
from gateway.json_values import parse_object
from gateway.parts import Parts, PartsDep
from gateway.records import facet, search_hit
from gateway.search_options import (
    FORM_FIELDS,
    form_value,
    search_request,
    searchable,
    text_part,
)
from gateway.services import SEARCH_S
from viewfinder import api_models as api
from viewfinder.errors import FileTooLarge, ImageNotIndexed, InvalidRequest, ViewfinderError
from viewfinder.v1 import search_pb2

router = APIRouter(tags=["search"])

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
    request = search_request(asked)
    request.text = searchable(asked.query)
    request.mode = asked.mode
    if asked.rerank or asked.include_explanation:
        return await _looked_at(parts, asked, request, start)

    async def find() -> api.SearchResponse:
        return _answer(parts, await _search(parts, request), asked.query)

    return await parts.answering.answer(start, request, find)


async def _looked_at(
    parts: Parts, asked: api.SearchRequest, request: search_pb2.SearchRequest, start: float
) -> Response:
    """A search whose results a vision model looks at. Nothing of it is kept, or counted among the
    latencies of searches."""
    vision = parts.vision_model("rerank" if asked.rerank else "include_explanation")
    if asked.rerank and asked.cursor is None:
        request.top_k = max(asked.top_k, api.MAX_RERANKED)
    found = _answer(parts, await _search(parts, request), asked.query)
    if asked.rerank:
        await reranking.rerank(parts, vision, asked, found)
        if len(found.results) > asked.top_k:
            found.results = found.results[: asked.top_k]
            found.next_cursor = None  # it would leave out those that were cut off
        found.total = len(found.results)
    if asked.include_explanation:
        await reranking.explain(parts, vision, asked, found)
    found.latency_ms = round((time.perf_counter() - start) * 1000, 3)
    return answer(found)


async def find_by_text(
    parts: Parts, request: search_pb2.SearchRequest
) -> search_pb2.SearchResponse:
    """What search_service finds. Raises what it raises."""
    return await _search(parts, request)


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
        options: api.ImageSearchOptions = body
        file_name = "picture"
    else:
        data, file_name, options = await _read_form(request, parts)
    wanted = search_request(options)
    if options.query is not None:
        wanted.also.append(text_part(options.query, options.query_weight, "query"))
    digest = await asyncio.to_thread(hashlib.sha256, data)

    async def find() -> api.SearchResponse:
        by_picture = search_pb2.SearchRequest()
        by_picture.CopyFrom(wanted)
        found = await _by_picture(parts, by_picture, data, file_name)
        return _answer(parts, found, options.query)

    # The answer repeats the query, which an example with the same text would not make it do.
    beside = [digest.digest(), (options.query or "").encode()]
    return await parts.answering.answer(start, wanted, find, beside)


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
    filters: Annotated[str, Query(description="A JSON object", max_length=16_384)] = "{}",
    weight: Annotated[api.Weight, Query(description="Of this picture, beside `examples`")] = 1.0,
    negative: Annotated[list[api.QueryText] | None, Query(max_length=api.MAX_NEGATIVES)] = None,
    example: Annotated[
        list[str] | None,
        Query(
            alias="examples",
            description='JSON objects as in POST /search, such as `{"text": "at night"}`',
            max_length=api.MAX_EXAMPLES,
        ),
    ] = None,
    facets: Annotated[list[api.FacetKey] | None, Query(max_length=api.MAX_FACETS)] = None,
    group_by: api.GroupBy | None = None,
    collapse: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
    sort: api.Sort = "relevance",
    cursor: Annotated[str | None, Query(max_length=api.MAX_CURSOR_CHARS)] = None,
    exact: bool = False,
) -> Response:
    """Nearest pictures to this one, itself left out."""
    start = time.perf_counter()
    record = await known_image(parts, image_id)
    options = api.SearchOptions.model_validate(
        {
            "top_k": top_k,
            "score_threshold": score_threshold,
            "min_relevance": min_relevance,
            "filters": parse_object(filters, "filters"),
            "weight": weight,
            "negative": negative or [],
            "examples": [parse_object(one, "examples") for one in example or []],
            "facets": facets or [],
            "group_by": group_by,
            "collapse": collapse,
            "sort": sort,
            "cursor": cursor or None,
            "exact": exact,
        }
    )
    wanted = search_request(options)
    wanted.image_id = record.id

    async def find() -> api.SearchResponse:
        return _answer(parts, await _search(parts, wanted), None)

    return await parts.answering.answer(start, wanted, find)


async def _search(parts: Parts, request: search_pb2.SearchRequest) -> search_pb2.SearchResponse:
    async def call(asked: search_pb2.SearchRequest) -> search_pb2.SearchResponse:
        return await parts.services.search.Search(asked, timeout=SEARCH_S)

    try:
        return await parts.answering.ask(call, request)
    except ImageNotIndexed as error:
        missing = error
    # It is not in the index; whether it is anywhere, and why not there, the catalogue knows.
    named = {request.image_id, *(example.image_id for example in request.also)}
    if missing.image_id not in named:
        raise missing
    record = await known_image(parts, UUID(missing.image_id))
    raise ImageNotIndexed(image_id=record.id, state=record.state)


def _answer(
    parts: Parts, found: search_pb2.SearchResponse, query: str | None
) -> api.SearchResponse:
    hits = [search_hit(hit, parts.urls, query) for hit in found.hits]
    return api.SearchResponse(
        query=query,
        results=hits,
        total=len(hits),
        next_cursor=found.next_cursor or None,
        facets=[facet(one) for one in found.facets],
        latency_ms=0,
    )


async def _read_form(request: Request, parts: Parts) -> tuple[bytes, str, api.ImageSearchOptions]:
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
            if event.name not in FORM_FIELDS:
                allowed = f"{', '.join(sorted(FORM_FIELDS))}, and one file"
                raise InvalidRequest(
                    field="form", value=f"a field {event.name[:100]!a}", allowed=allowed
                )
            values[event.name] = form_value(event.name, event.value)
    if files != 1:
        raise InvalidRequest(field="file", value=f"{files} files", allowed="one")
    return bytes(data), file_name, api.ImageSearchOptions.model_validate(values)
