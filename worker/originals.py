"""Where the worker finds the originals: in the blob store, which upload_service writes."""

from __future__ import annotations

from pathlib import Path

from worker.outcomes import ImageRecord


class StoredOriginals:
    """Originals in the folder of a laptop installation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def source(self, record: ImageRecord) -> Path | bytes:
        """The original as a file; it is opened later, by the decoder's parent."""
        return self._folder / record.blob_key
