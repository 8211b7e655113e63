"""A search and its answer as protobuf, and as this service's own types."""

from __future__ import annotations

from typing import cast

import numpy as np
from pydantic_core import to_json

from search_service.facets import Facet
from search_service.folding import Found
from search_service.mode import Mode
from search_service.vector_index import FacetCount
from search_service.wanted import ByPicture, BySimilar, ByText, Example, Query, Sort, Wanted
from search_service.wire import plain, struct_of
from search_service.words import QueryWords
from viewfinder.calibration import RelevanceCurve
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import search_pb2


def wanted_of(request: search_pb2.SearchRequest) -> Wanted:
    """Raises InvalidRequest when there is no query, or a part that says nothing."""
    return Wanted(
        query=_query_of(request),
        top_k=request.top_k,
        score_threshold=request.score_threshold,
        min_relevance=request.min_relevance,
        filters=plain(request.filters, "filters"),
        weight=request.weight or 1.0,
        also=tuple(
            _example_of(example, f"examples[{number}]")
            for number, example in enumerate(request.also)
        ),
        facets=tuple(request.facets),
        group_by=request.group_by,
        collapse=request.collapse,
        cursor=request.cursor,
        sort=cast(Sort, request.sort or "relevance"),  # checked with the rest
        exact=request.exact,
    )


def _query_of(request: search_pb2.SearchRequest) -> Query:
    kind = request.WhichOneof("query")
    if kind == "text":
        return ByText(request.text, cast(Mode, request.mode or "auto"))  # checked with the rest
    if kind == "image_id":
        return BySimilar(request.image_id)
    if kind == "pixels":
        pixels = request.pixels
        if pixels.count != 1 or pixels.height * pixels.width * 3 != len(pixels.data):
            raise InvalidRequest(
                "pixels",
                f"{len(pixels.data)} bytes for {pixels.count} pictures",
                "one picture, height x width x 3 bytes",
            )
        return ByPicture(
            np.frombuffer(pixels.data, dtype=np.uint8).reshape(pixels.height, pixels.width, 3)
        )
    raise InvalidRequest("query", "missing", "text, pixels or image_id")


def _example_of(example: search_pb2.Example, field: str) -> Example:
    kind = example.WhichOneof("what")
    if kind == "text" and example.text:
        return Example(ByText(example.text), example.weight)
    if kind == "image_id":
        return Example(BySimilar(example.image_id), example.weight)
    raise InvalidRequest(field, "without text and image_id", "one of them")


def hit_message(
    hit: Found,
    curve: RelevanceCurve | None,
    words: QueryWords | None = None,
    payload_as_json: bool = False,
    judged_by_look: bool = True,
    late_curve: RelevanceCurve | None = None,
) -> search_pb2.Hit:
    """A hit for the wire; the curves give its relevance, `words` were looked for. See Answer."""
    payload, late = hit.point.payload, hit.point.late
    fits = words is not None and words.fit(hit.point.matched, bool(payload.get("document")))
    late_relevance = late_curve.of(late) if late_curve is not None and late is not None else None
    relevance = None
    if late_relevance is not None and not judged_by_look:
        relevance = late_relevance
    elif curve is not None and (judged_by_look or not fits):
        relevance = curve.of(hit.point.score)
    return search_pb2.Hit(
        id=str(hit.point.id),
        score=hit.point.score,
        relevance=relevance,
        payload=None if payload_as_json else struct_of(payload),
        payload_json=to_json(payload) if payload_as_json else b"",
        same_ids=[str(same) for same in hit.same_ids],
        pages=[
            search_pb2.GroupPage(id=str(page.id), score=page.score, page=page.number)
            for page in hit.pages
        ],
        matched=[] if words is None else words.matched(hit.point.matched),
        late_score=late,
        late_relevance=late_relevance,
        words_fit=fits,
    )


def facet_message(facet: Facet) -> search_pb2.Facet:
    """A facet for the wire."""
    return search_pb2.Facet(
        key=facet.key, values=[_value_message(one) for one in facet.values], among=facet.among
    )


def _value_message(one: FacetCount) -> search_pb2.FacetValue:
    if isinstance(one.value, bool):
        return search_pb2.FacetValue(flag=one.value, count=one.count)
    if isinstance(one.value, str):
        return search_pb2.FacetValue(text=one.value, count=one.count)
    return search_pb2.FacetValue(number=one.value, count=one.count)
