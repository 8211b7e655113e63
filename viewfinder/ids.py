"""Identities: the same bytes have the same id in blob store, catalogue and index."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def image_id(sha256: bytes) -> uuid.UUID:
    """The id of an original: the first 128 bits of the SHA-256 of its bytes, as a UUID."""
    return uuid.UUID(bytes=sha256[:16])


def page_id(document_id: uuid.UUID, page_number: int) -> uuid.UUID:
    """The id of a page of a document: UUIDv5 of (document id, page number from 1)."""
    return uuid.uuid5(document_id, str(page_number))


def image_id_of_file(path: Path) -> uuid.UUID:
    """The id the picture in this file will get, read in pieces.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return image_id(digest.digest())


def new_id() -> str:
    """A fresh random id for a job, a request or a claim."""
    return str(uuid.uuid4())
