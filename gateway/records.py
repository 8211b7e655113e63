"""Records of the services, as the REST interface shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.descriptions import description_of
from gateway.json_values import from_struct
from gateway.urls import Urls
from viewfinder import api_models as api
from viewfinder.v1 import catalog_pb2, common_pb2, search_pb2


def image_record(record: catalog_pb2.ImageRecord, urls: Urls) -> api.ImageRecord:
    """A record of the catalogue."""
    exif = record.exif
    return api.ImageRecord(
        id=record.id,
        kind=kind_of(record),
        url=urls.original(record.id),
        thumbnail_url=urls.thumbnail(record.id),
        state=state_of(record),
        failure=record.failure or None,
        document_id=record.document_id or None,
        document_url=urls.original(record.document_id) if record.document_id else None,
        page=record.page or None,
        pages=record.pages or None,
        pages_done=record.pages_done if kind_of(record) == "document" else None,
        text_source=cast(api.TextSource, record.text_source) if record.text_source else None,
        file_name=record.file_name,
        file_path=record.file_path or None,
        media_type=record.media_type,
        size_bytes=record.size_bytes,
        width=record.width,
        height=record.height,
        tags=list(record.tags),
        description=description_of(record),
        metadata=from_struct(record.metadata),
        exif=api.Exif(
            taken_at=exif.taken_at or None,
            camera_make=exif.camera_make or None,
            camera_model=exif.camera_model or None,
            latitude=exif.latitude if exif.HasField("latitude") else None,
            longitude=exif.longitude if exif.HasField("longitude") else None,
            orientation=exif.orientation or None,
        ),
        sha256=record.sha256,
        uploaded_at=_time(record.uploaded_at) if record.HasField("uploaded_at") else None,
        indexed_at=_time(record.indexed_at) if record.HasField("indexed_at") else None,
    )


def state_of(record: catalog_pb2.ImageRecord) -> api.ImageState:
    """The state, which the contract keeps to those of `ImageState`."""
    return cast(api.ImageState, record.state)


def kind_of(record: catalog_pb2.ImageRecord) -> api.ImageKind:
    """What it is a record of."""
    if record.document_id:
        return "page"
    return "document" if record.pages else "picture"


def picture_text(text: common_pb2.ReadText) -> api.PictureText:
    """What was read, its words joined line by line."""
    lines = groupby(text.words, key=lambda word: word.line)
    return api.PictureText(
        source=cast(api.TextSource, text.source),
        text="\n".join(" ".join(word.text for word in words) for _, words in lines),
        words=[
            api.Word(
                text=word.text,
                left=round(word.left, 5),
                top=round(word.top, 5),
                right=round(word.right, 5),
                bottom=round(word.bottom, 5),
                line=word.line,
                confidence=round(word.confidence, 3),
            )
            for word in text.words
        ],
    )


def job(record: catalog_pb2.Job) -> api.Job:
    """Progress of a job."""
    return api.Job(
        job_id=record.job_id,
        total=record.total,
        stored=record.stored,
        indexed=record.indexed,
        failed=record.failed,
        gone=record.gone,
        done=record.done,
        failures=[
            api.JobFailure(image_id=one.image_id, file_name=one.file_name, reason=one.reason)
            for one in record.failures
        ],
        created_at=_time(record.created_at) if record.HasField("created_at") else None,
    )


def search_hit(hit: search_pb2.Hit, urls: Urls, query: str | None) -> api.SearchHit:
    """A hit; everything shown of it travelled in its payload. `query`: the text that found it."""
    payload = hit.payload_json
    return api.SearchHit(
        id=hit.id,
        score=round(hit.score, 6),
        relevance=round(hit.relevance, 4) if hit.HasField("relevance") else None,
        url=urls.original(hit.id),
        thumbnail_url=urls.thumbnail(hit.id),
        heatmap_url=urls.heatmap(hit.id, query) if query else None,
        metadata=api.HitMetadata.model_validate_json(payload)
        if payload
        else api.HitMetadata.model_validate(from_struct(hit.payload)),
        matched=list(hit.matched),
        late_score=hit.late_score if hit.HasField("late_score") else None,
        same_ids=list(hit.same_ids),
        pages=[_document_page(page, urls) for page in hit.pages],
    )


def _document_page(page: search_pb2.GroupPage, urls: Urls) -> api.DocumentPage:
    return api.DocumentPage(
        id=page.id,
        score=round(page.score, 6),
        page=page.page or None,
        url=urls.original(page.id),
        thumbnail_url=urls.thumbnail(page.id),
    )


def facet(counted: search_pb2.Facet) -> api.Facet:
    """Values with their counts."""
    return api.Facet(
        key=counted.key,
        values=[api.FacetValue(value=_facet_value(one), count=one.count) for one in counted.values],
        among=counted.among or None,
    )


def _facet_value(one: search_pb2.FacetValue) -> str | bool | int | float:
    kind = one.WhichOneof("value")
    if kind == "number":
        return int(one.number) if one.number.is_integer() else one.number
    return one.flag if kind == "flag" else one.text


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
