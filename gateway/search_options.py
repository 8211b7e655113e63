"""What search_service is asked, made of the options of a request."""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Struct

from gateway.json_values import is_text, parse_list, parse_object, to_struct
from viewfinder import api_models as api
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import search_pb2

FORM_FIELDS = frozenset(api.ImageSearchOptions.model_fields)
"""The fields of a form, as those of a JSON body."""


def search_request(options: api.SearchOptions) -> search_pb2.SearchRequest:
    """All but the query itself. What is not asked for is not set."""
    request = search_pb2.SearchRequest(
        top_k=options.top_k,
        score_threshold=options.score_threshold,
        min_relevance=options.min_relevance,
        filters=filters_struct(options.filters),
        collapse=options.collapse,
        facets=options.facets,
        exact=options.exact,
    )
    if options.weight != 1.0:
        if options.weight == 0:
            raise InvalidRequest(field="weight", value="0", allowed="any other weight")
        request.weight = options.weight
    if options.sort != "relevance":
        request.sort = options.sort
    if options.group_by is not None:
        request.group_by = options.group_by
    if options.cursor is not None:
        request.cursor = options.cursor
    if options.negative or options.examples:
        request.also.extend(_parts(options))
    return request


def _parts(options: api.SearchOptions) -> list[search_pb2.Example]:
    negatives = [options.negative] if isinstance(options.negative, str) else options.negative
    parts = [
        text_part(text, -api.NEGATIVE_WEIGHT / len(negatives), "negative") for text in negatives
    ]
    for example in options.examples:
        if example.text is not None:
            parts.append(text_part(example.text, example.weight, "examples"))
        else:
            image_id = str(example.image_id)
            parts.append(search_pb2.Example(image_id=image_id, weight=example.weight))
    return parts


def text_part(text: str, weight: float, field: str) -> search_pb2.Example:
    """Raises InvalidRequest when it is no text that can travel, or weighs nothing."""
    if weight == 0:
        raise InvalidRequest(field=f"{field}_weight", value="0", allowed="any other weight")
    return search_pb2.Example(text=searchable(text, field), weight=weight)


def searchable(text: str, field: str = "query") -> str:
    """Raises InvalidRequest for half of a surrogate pair."""
    if not is_text(text):
        raise InvalidRequest(field=field, value=ascii(text[:100]), allowed="Unicode text")
    return text


def filters_struct(filters: dict[str, api.FilterValue]) -> Struct:
    """Checked filters, ready to travel."""
    return to_struct(
        {
            key: value.model_dump(exclude_none=True, by_alias=True)
            if isinstance(value, api.FilterObject)
            else value
            for key, value in filters.items()
        }
    )


def form_value(name: str, text: str) -> Any:
    """A field of a form, or of an address, as JSON would have it."""
    if name == "filters":
        return parse_object(text, name)
    if name == "examples":
        return parse_list(text, name)
    if name in ("negative", "facets") and text.lstrip().startswith("["):
        return parse_list(text, name)
    if name == "facets":
        return [key.strip() for key in text.split(",") if key.strip()]
    return text
