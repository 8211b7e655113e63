"""Opening PDFs with PDFium. Runs in the guarded child only, in one thread: PDFium knows no other.

PDFium is built without JavaScript and XFA; actions, embedded files and links are never followed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass
from typing import Any, BinaryIO

import pypdfium2.raw as pdfium  # initialises PDFium

from viewfinder.errors import BrokenImage, PasswordRequired, TooManyPages, WrongPassword
from viewfinder.picture_formats import PDF
from viewfinder.picture_sizes import page_size
from viewfinder.pictures import PageSize, PictureInfo

# Fonts and other things that pages share stay in memory; after so many pages it is given back.
_PAGES_OF_ONE_OPENING = 200
_LETTER_PT = 612.0, 792.0

_REASONS = {
    pdfium.FPDF_ERR_FILE: "the file cannot be read",
    pdfium.FPDF_ERR_FORMAT: "its structure is damaged",
    pdfium.FPDF_ERR_SECURITY: "it is encrypted in a way that is not known",
}


@dataclass(frozen=True)
class DocumentKey:
    """Which bytes, opened with which password."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int
    password: str

    @staticmethod
    def of(file: BinaryIO, password: str) -> DocumentKey:
        """The key of an open file."""
        status = os.fstat(file.fileno())
        return DocumentKey(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, password
        )


class Document:
    """An open PDF; the file is mapped, not read, so that its size costs no memory."""

    def __init__(self, file: BinaryIO, file_name: str, password: str) -> None:
        """Raises PasswordRequired, WrongPassword or BrokenImage."""
        self._file_name = file_name
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        size = len(self._map)
        self._bytes = (ctypes.c_char * size).from_buffer(self._map)
        # A NUL would end the password for PDFium.
        secret = None if "\0" in password or not password else password.encode()
        self._handle = pdfium.FPDF_LoadMemDocument64(self._bytes, size, secret)
        self._page: tuple[int, Any] | None = None
        self.pages_opened = 0
        if not self._handle:
            code = pdfium.FPDF_GetLastError()
            self.close()
            if code == pdfium.FPDF_ERR_PASSWORD:
                wrong = WrongPassword if password else PasswordRequired
                raise wrong(file_name=file_name)
            raise BrokenImage(file_name=file_name, reason=_REASONS.get(code, "it is no whole PDF"))

    @property
    def page_count(self) -> int:
        """As the document says; some of them may not exist."""
        return int(pdfium.FPDF_GetPageCount(self._handle))

    def info(self, max_pages: int) -> PictureInfo:
        """Its pages and their sizes.

        Raises:
            TooManyPages: more than `max_pages`.
            BrokenImage: no page can be read.
        """
        count = self.page_count
        if count > max_pages:
            raise TooManyPages(pages=count, limit=max_pages)
        sizes = [self._size_of(index) for index in range(count)]
        while sizes and sizes[-1] is None:  # a count that promises more than there is
            sizes.pop()
        if not sizes:
            raise BrokenImage(file_name=self._file_name, reason="it has no pages")
        # A missing page among others keeps its number, and fails alone when it is drawn.
        pages = tuple(PageSize(*(size or page_size(*_LETTER_PT))) for size in sizes)
        return PictureInfo(PDF, pages[0].width, pages[0].height, len(pages), pages=pages)

    def page(self, number: int) -> Any:
        """The handle of a page (from 1), valid until the next call.

        Raises:
            BrokenImage: there is no such page.
        """
        if self._page is not None and self._page[0] == number:
            return self._page[1]
        self._close_page()
        handle = None
        if 1 <= number <= self.page_count:
            handle = pdfium.FPDF_LoadPage(self._handle, number - 1)
        if not handle:
            raise BrokenImage(file_name=self._file_name, reason=f"page {number} is damaged")
        self._page = number, handle
        self.pages_opened += 1
        return handle

    def close(self) -> None:
        """Give everything back."""
        self._close_page()
        if self._handle:
            pdfium.FPDF_CloseDocument(self._handle)
            self._handle = None
        del self._bytes
        self._map.close()

    def _close_page(self) -> None:
        if self._page is not None:
            pdfium.FPDF_ClosePage(self._page[1])
            self._page = None

    def _size_of(self, index: int) -> tuple[int, int] | None:
        size = pdfium.FS_SIZEF()
        if not pdfium.FPDF_GetPageSizeByIndexF(self._handle, index, size):
            return None
        try:
            return page_size(size.width, size.height)
        except ValueError:
            return None


class OpenDocuments:
    """Keeps the last document open, so that page after page does not parse it again."""

    def __init__(self) -> None:
        self._kept: tuple[DocumentKey, Document] | None = None

    def get(self, file: BinaryIO, file_name: str, password: str) -> Document:
        """The document in this file. Raises PasswordRequired, WrongPassword or BrokenImage."""
        key = DocumentKey.of(file, password)
        if self._kept is not None:
            known, document = self._kept
            if known == key and document.pages_opened < _PAGES_OF_ONE_OPENING:
                return document
        self.drop()
        document = Document(file, file_name, password)
        self._kept = key, document
        return document

    @property
    def keeps_one(self) -> bool:
        """Whether a document is open."""
        return self._kept is not None

    def drop(self) -> None:
        """Forget the document that is kept."""
        if self._kept is not None:
            _, document = self._kept
            self._kept = None
            document.close()
