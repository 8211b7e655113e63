"""Pictures and pages of a catalogue as the fake services know them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.struct_pb2 import Struct

from viewfinder.ids import page_id
from viewfinder.v1 import catalog_pb2

IMAGE_ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER_ID = "6fa459ea-ee8a-4ca4-894e-db77e160355e"
DOCUMENT_ID = "7d444840-9dc0-41d1-b245-5ffdce74fad2"
PAGE_ID = str(page_id(UUID(DOCUMENT_ID), 2))
JOB_ID = "9b2d6f0e-0c43-4f0e-8f5c-6d1f0c4f7a10"


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


def record(image_id: str = IMAGE_ID, **values: Any) -> catalog_pb2.ImageRecord:
    """A record of the catalogue, complete but for `values`."""
    known: dict[str, Any] = {
        "id": image_id,
        "sha256": "ab" * 32,
        "state": "indexed",
        "file_name": "cat.jpg",
        "media_type": "image/jpeg",
        "size_bytes": 5000,
        "width": 640,
        "height": 480,
        "blob_key": f"key-of-{image_id}",
    }
    return catalog_pb2.ImageRecord(**{**known, **values})


def document(**values: Any) -> catalog_pb2.ImageRecord:
    """The record of a PDF of three pages."""
    known: dict[str, Any] = {
        "file_name": "report.pdf",
        "media_type": "application/pdf",
        "pages": 3,
        "pages_done": 2,
        "state": "stored",
        "password": "open sesame",
    }
    return record(DOCUMENT_ID, **{**known, **values})


def page(**values: Any) -> catalog_pb2.ImageRecord:
    """The record of its second page."""
    known: dict[str, Any] = {
        "file_name": "report.pdf",
        "media_type": "application/pdf",
        "document_id": DOCUMENT_ID,
        "page": 2,
        "pages": 3,
        "size_bytes": 0,
        "blob_key": f"key-of-{DOCUMENT_ID}",
        "text_source": "ocr",
        "password": "open sesame",
    }
    return record(PAGE_ID, **{**known, **values})
