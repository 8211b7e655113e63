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
from viewfinder.pictures import PageSize, PictureInfo, PixelLimits
from viewfinder.process_limits import address_space_bytes, limit, renew_cpu_time

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

    def __init__(self, file: BinaryIO, file_name: str, password: str, memory_bytes: int) -> None:
        """Raises PasswordRequired, WrongPassword or BrokenImage."""
        self._file_name = file_name
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        # The mapped file is in the address space too, and costs nothing.
        self.address_limit = address_space_bytes() + memory_bytes
        limit("RLIMIT_AS", self.address_limit)
        size = len(self._map)
        self._bytes = (ctypes.c_char * size).from_buffer(self._map)
        # A NUL would end the password for PDFium.
        secret = None if "\0" in password or not password else password.encode()
        self._handle = pdfium.FPDF_LoadMemDocument64(self._bytes, size, secret)
        self._page: tuple[int, Any] | None = None
        self._form: Any = None
        self.pages_opened = 0
        if not self._handle:
            code = pdfium.FPDF_GetLastError()
            self.close()
            if code == pdfium.FPDF_ERR_PASSWORD:
                wrong = WrongPassword if password else PasswordRequired
                raise wrong(file_name=file_name)
            raise BrokenImage(file_name=file_name, reason=_REASONS.get(code, "it is no whole PDF"))
        if pdfium.FPDF_GetFormType(self._handle) != pdfium.FORMTYPE_NONE:
            self._fill_in_form()

    @property
    def page_count(self) -> int:
        """As the document says; some of them may not exist."""
        return int(pdfium.FPDF_GetPageCount(self._handle))

    @property
    def form(self) -> Any:
        """What draws the form fields, or None."""
        return self._form

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
        if self._form:
            pdfium.FORM_OnAfterLoadPage(handle, self._form)
        self._page = number, handle
        self.pages_opened += 1
        return handle

    def close(self) -> None:
        """Give everything back."""
        self._close_page()
        if self._form:
            pdfium.FPDFDOC_ExitFormFillEnvironment(self._form)
            self._form = None
        if self._handle:
            pdfium.FPDF_CloseDocument(self._handle)
            self._handle = None
        del self._bytes
        self._map.close()

    def _close_page(self) -> None:
        if self._page is not None:
            if self._form:
                pdfium.FORM_OnBeforeClosePage(self._page[1], self._form)
            pdfium.FPDF_ClosePage(self._page[1])
            self._page = None

    def _fill_in_form(self) -> None:
        """What stands in form fields is drawn by a part of PDFium of its own, which would also
        run their scripts if it were built with JavaScript."""
        self._form_callbacks = pdfium.FPDF_FORMFILLINFO(version=1)  # none; must live as long
        self._form = pdfium.FPDFDOC_InitFormFillEnvironment(self._handle, self._form_callbacks)
        if self._form:
            pdfium.FPDF_SetFormFieldHighlightAlpha(self._form, 0)

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

    def __init__(self, limits: PixelLimits) -> None:
        self._limits = limits
        self._kept: tuple[DocumentKey, Document] | None = None

    def get(self, file: BinaryIO, file_name: str, password: str) -> Document:
        """The document in this file, under its limits, which hold until others are set.

        Raises:
            PasswordRequired, WrongPassword, BrokenImage: as named.
        """
        renew_cpu_time(self._limits.document_timeout_s)
        key = DocumentKey.of(file, password)
        if self._kept is not None:
            known, document = self._kept
            if known == key and document.pages_opened < _PAGES_OF_ONE_OPENING:
                limit("RLIMIT_AS", document.address_limit)
                return document
        self.drop()
        document = Document(file, file_name, password, self._limits.document_memory_bytes)
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
