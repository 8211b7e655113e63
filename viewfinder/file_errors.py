"""What may be wrong with a file that somebody sends; see errors.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from viewfinder.error_base import ViewfinderError


@dataclass(eq=False)
class EmptyFile(ViewfinderError):
    """A file of zero bytes."""

    file_name: str
    code: ClassVar[str] = "empty_file"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The file is empty"
    template: ClassVar[str] = "{file_name!r} has no bytes"


@dataclass(eq=False)
class UnsupportedMediaType(ViewfinderError):
    """The content is not of a type that Viewfinder reads, whatever the name says."""

    file_name: str
    found: str
    allowed: str
    code: ClassVar[str] = "unsupported_media_type"
    http_status: ClassVar[int] = 415
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "Not a picture we can read"
    template: ClassVar[str] = "{file_name!r} contains {found}; allowed: {allowed}"


@dataclass(eq=False)
class BrokenImage(ViewfinderError):
    """The content claims to be a picture but cannot be decoded."""

    file_name: str
    reason: str
    code: ClassVar[str] = "broken_image"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The picture is broken"
    template: ClassVar[str] = "{file_name!r} cannot be read: {reason}"


@dataclass(eq=False)
class PasswordRequired(ViewfinderError):
    """A PDF that is encrypted, and nobody gave its password."""

    file_name: str
    code: ClassVar[str] = "password_required"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The PDF needs its password"
    template: ClassVar[str] = (
        "{file_name!r} is encrypted: send its password in the form field `password`"
    )


@dataclass(eq=False)
class WrongPassword(ViewfinderError):
    """A PDF that is encrypted with another password."""

    file_name: str
    code: ClassVar[str] = "wrong_password"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The password does not open the PDF"
    template: ClassVar[str] = "{file_name!r} is encrypted, and this is not its password"


@dataclass(eq=False)
class TooManyPages(ViewfinderError):
    """A PDF of more pages than allowed."""

    pages: int
    limit: int
    code: ClassVar[str] = "too_many_pages"
    http_status: ClassVar[int] = 413
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The PDF has too many pages"
    template: ClassVar[str] = "The PDF has {pages} pages; allowed: {limit}"


@dataclass(eq=False)
class FileTooLarge(ViewfinderError):
    """More bytes than allowed."""

    size_bytes: int
    limit_bytes: int
    code: ClassVar[str] = "file_too_large"
    http_status: ClassVar[int] = 413
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The file is too large"
    template: ClassVar[str] = "The file has at least {size_bytes} bytes; allowed: {limit_bytes}"


@dataclass(eq=False)
class ImageTooLarge(ViewfinderError):
    """More pixels than allowed, by the header, before anything is decoded."""

    width: int
    height: int
    limit_pixels: int
    code: ClassVar[str] = "image_too_large"
    http_status: ClassVar[int] = 413
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The picture has too many pixels"
    template: ClassVar[str] = (
        "The picture is {width} x {height} pixels; allowed: {limit_pixels} pixels in all"
    )


@dataclass(eq=False)
class MetadataTooLarge(ViewfinderError):
    """Tags, metadata or the picture's own header data beyond the limit."""

    what: str
    size: int
    limit: int
    code: ClassVar[str] = "metadata_too_large"
    http_status: ClassVar[int] = 413
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "Too much metadata"
    template: ClassVar[str] = "{what}: {size}; allowed: {limit}"
