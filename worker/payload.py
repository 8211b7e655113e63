"""What the index knows about a picture besides its vector: the keys that filters may name, and the
text it is found by word with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from viewfinder.v1 import catalog_pb2, search_pb2
from worker.text import described_text, text_of


def point_of(record: catalog_pb2.ImageRecord, read: str | None = None) -> search_pb2.Point:
    """One picture's point, for a new vector as for one that is there already; `read`: what stands
    in it, where that was found out just now."""
    return search_pb2.Point(
        id=record.id,
        payload=payload_of(record),
        text=text_of(record, read),
        described=described_text(record.description),
    )


def payload_of(record: catalog_pb2.ImageRecord) -> Struct:
    """The payload of one picture's point. Keys without a value are left out."""
    metadata: dict[str, Any] = MessageToDict(record.metadata)
    exif = record.exif
    fields: dict[str, Any] = {
        "file_name": record.file_name,
        "file_path": record.file_path,
        "tags": list(record.tags),
        "category": _category(record, metadata),
        "media_type": record.media_type,
        "size_bytes": record.size_bytes,
        "width": record.width,
        "height": record.height,
        "taken_at": rfc3339(exif.taken_at),
        "uploaded_at": _uploaded_at(record),
        "camera": camera_of(exif),
        "location": _location(exif),
        "document": record.document_id,
        "page": record.page or None,
        "pages": record.pages if record.page else None,
        "description": record.description.caption,
        "metadata": metadata,
    }
    payload = Struct()
    payload.update({key: value for key, value in fields.items() if value not in ("", None, [], {})})
    return payload


def rfc3339(taken_at: str) -> str:
    """The camera's time as RFC 3339. A camera that says no zone is taken to be in UTC, for its
    pictures to sort and filter at all. Empty when it is no time."""
    try:
        moment = datetime.fromisoformat(taken_at)
    except ValueError:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def camera_of(exif: catalog_pb2.Exif) -> str:
    """Make and model."""
    return " ".join(part for part in (exif.camera_make, exif.camera_model) if part)


def _category(record: catalog_pb2.ImageRecord, metadata: dict[str, Any]) -> str:
    given = metadata.get("category")
    if isinstance(given, str) and given:
        return given
    return record.tags[0] if record.tags else ""


def _uploaded_at(record: catalog_pb2.ImageRecord) -> str:
    return str(record.uploaded_at.ToJsonString()) if record.HasField("uploaded_at") else ""


def _location(exif: catalog_pb2.Exif) -> dict[str, float] | None:
    if not (exif.HasField("latitude") and exif.HasField("longitude")):
        return None
    return {"lat": exif.latitude, "lon": exif.longitude}
