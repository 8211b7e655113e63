"""Which original a rendition is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from viewfinder.pictures import PdfPage, Source


class LocalOriginals(Protocol):
    """Knows where originals lie."""

    def local_path(self, blob_key: str) -> Path:
        """The file of an original, whether it exists or not."""
        ...


@dataclass(frozen=True)
class Original:
    """A picture in the blob store, or a page of a PDF in it."""

    blob_key: str
    page: int = 0  # from 1; 0: a picture, or a PDF that is shown by its first page
    password: str = field(default="", repr=False)

    def source(self, originals: LocalOriginals) -> Source:
        """What the decoder is given."""
        path = originals.local_path(self.blob_key)
        if not self.page and not self.password:
            return path
        return PdfPage(path, self.page or 1, self.password)
