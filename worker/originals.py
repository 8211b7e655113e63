"""Where the worker finds the originals: in the blob store, which upload_service writes."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from viewfinder.blobs import OriginalStore
from viewfinder.errors import ServiceUnavailable
from viewfinder.pictures import PdfPage, Source
from worker.outcomes import ImageRecord


class StoredOriginals:
    """The blob store in a folder; opened when first needed, for upload_service makes the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self, record: ImageRecord) -> Source:
        """The original as a file, or a page of it; the decoder's child reads it, no byte of it
        passes here.

        Raises:
            InvalidRequest: the key is none of the blob store's.
            ServiceUnavailable: the whole folder is missing, as when a disk is not mounted.
        """
        if not self._folder.is_dir():
            raise ServiceUnavailable(
                service="the store of originals", reason=f"there is no folder {self._folder}"
            )
        path = self._store.local_path(record.blob_key)
        return PdfPage(path, record.page, record.password) if record.page else path

    @cached_property
    def _store(self) -> OriginalStore:
        return OriginalStore.reading_folder(self._folder)
