"""Where the worker finds the originals: in the blob store, which upload_service writes."""

from __future__ import annotations

from pathlib import Path

from viewfinder.blobs import OriginalStore
from worker.outcomes import ImageRecord


class StoredOriginals:
    """The blob store, as far as the decoder needs it."""

    def __init__(self, store: OriginalStore) -> None:
        self._store = store

    def source(self, record: ImageRecord) -> Path | bytes:
        """The original as a file; the decoder's child reads it, no byte of it passes here.

        Raises:
            InvalidRequest: the key is none of the blob store's.
        """
        return self._store.local_path(record.blob_key)
