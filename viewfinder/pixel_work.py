"""What the guarded child does for a request: a picture or a page in, an answer out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from viewfinder import picture_decoding, picture_shaping
from viewfinder.errors import UnsupportedMediaType
from viewfinder.picture_formats import PDF, sniff
from viewfinder.picture_sizes import LONGEST_ASPECT
from viewfinder.pictures import PixelLimits, PixelSpec

if TYPE_CHECKING:
    from viewfinder.pdf_document import Document, OpenDocuments

Answer = tuple[dict[str, Any], bytes | memoryview]


class PixelWork:
    """Knows the readers. PDFium is loaded when the first PDF comes."""

    def __init__(self, limits: PixelLimits) -> None:
        self._limits = limits
        self._documents: OpenDocuments | None = None
        picture_decoding.prepare_readers(limits)

    def answer(self, request: dict[str, Any], file: BinaryIO, size_bytes: int) -> Answer:
        """The head and the payload. Raises whatever the readers raise."""
        if request["what"] == "nothing":
            return {}, b""
        name = request["file_name"]
        media_type, head = sniff(file, size_bytes, name)
        if media_type == PDF:
            document = self._document(file, name, request.get("password", ""))
            try:
                return self._answer_document(request, document, name)
            finally:
                if not request.get("keep"):
                    self.drop_document()
        if "page" in request:
            raise UnsupportedMediaType(file_name=name, found="a picture", allowed="PDF")
        picture = picture_decoding.open_picture(
            file, media_type, head, size_bytes, self._limits, name
        )
        if request["what"] == "inspect":
            return asdict(picture.info), b""
        return _shaped(request, picture)

    @property
    def keeps_document(self) -> bool:
        """Whether a document is kept open."""
        return self._documents is not None and self._documents.keeps_one

    def drop_document(self) -> None:
        """Forget the document that is kept open."""
        if self._documents is not None:
            self._documents.drop()

    def _document(self, file: BinaryIO, name: str, password: str) -> Document:
        if self._documents is None:
            from viewfinder.pdf_document import OpenDocuments

            self._documents = OpenDocuments(self._limits)
        return self._documents.get(file, name, password)

    def _answer_document(self, request: dict[str, Any], document: Document, name: str) -> Answer:
        from viewfinder.pdf_page import Page
        from viewfinder.pdf_reading import readable_words

        number = request.get("page", 1)
        match request["what"]:
            case "inspect":
                return asdict(document.info(self._limits.max_pages)), b""
            case "page_text":
                words = readable_words(document.page(number))
                return {"words": [tuple(vars(word).values()) for word in words]}, b""
            case "pixels":
                page = Page(document, number, name)
                width, height, pixels = page.pixels_within(request["max_side"])
                return {"width": width, "height": height}, pixels
            case _:
                return _shaped(request, Page(document, number, name))


def _shaped(request: dict[str, Any], source: picture_shaping.Drawable) -> Answer:
    match request["what"]:
        case "prepare":
            return _pixels(picture_shaping.prepared(source, PixelSpec(**request["spec"])))
        case "pixels":
            side = request["max_side"]
            return _pixels(picture_shaping.scaled(source, side, side))
        case "render":
            icc_profile = source.icc_profile  # decoding may forget it
            width = request["width"]
            image = picture_shaping.scaled(source, width, width * LONGEST_ASPECT)
            return {}, picture_shaping.encoded(image, request["format"], icc_profile)
        case what:
            raise ValueError(f"{what} of a picture")


def _pixels(image: Image.Image) -> Answer:
    return {"width": image.width, "height": image.height}, image.tobytes()
