"""Every error Viewfinder reports: what was wrong, with which value, and what is allowed.

An error knows its stable `code`, its HTTP status and the name of its gRPC status; it crosses both
borders (see rpc.py and the gateway) and arrives as the same class with the same fields. Not frozen:
Python itself writes to a raised exception (contextlib sets its traceback).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from viewfinder.error_base import ViewfinderError as ViewfinderError
from viewfinder.file_errors import BrokenImage as BrokenImage
from viewfinder.file_errors import EmptyFile as EmptyFile
from viewfinder.file_errors import FileTooLarge as FileTooLarge
from viewfinder.file_errors import ImageTooLarge as ImageTooLarge
from viewfinder.file_errors import MetadataTooLarge as MetadataTooLarge
from viewfinder.file_errors import PasswordRequired as PasswordRequired
from viewfinder.file_errors import TooManyPages as TooManyPages
from viewfinder.file_errors import UnsupportedMediaType as UnsupportedMediaType
from viewfinder.file_errors import WrongPassword as WrongPassword
from viewfinder.vision.errors import VisionModelDisabled as VisionModelDisabled
from viewfinder.vision.errors import VisionModelFailed as VisionModelFailed
from viewfinder.vision.errors import VisionModelMissing as VisionModelMissing
from viewfinder.vision.errors import VisionModelRefused as VisionModelRefused
from viewfinder.vision.errors import VisionModelUnavailable as VisionModelUnavailable


@dataclass(eq=False)
class InternalError(ViewfinderError):
    """Something nobody foresaw. The log has it under the request id."""

    request_id: str = ""
    template: ClassVar[str] = "Internal error; the log has it under request id {request_id}"


@dataclass(eq=False)
class InvalidRequest(ViewfinderError):
    """A value that is not allowed."""

    field: str
    value: str
    allowed: str
    code: ClassVar[str] = "invalid_request"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "A value is not allowed"
    template: ClassVar[str] = "{field} is {value}; allowed: {allowed}"


@dataclass(eq=False)
class UnknownFilterKey(ViewfinderError):
    """A filter on something that is not indexed."""

    key: str
    allowed: str
    code: ClassVar[str] = "unknown_filter_key"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "Unknown filter key"
    template: ClassVar[str] = "Unknown filter key {key!r}; allowed: {allowed}"


@dataclass(eq=False)
class NotCalibrated(ViewfinderError):
    """A cut at a probability, and the encoder's cosines cannot be made probabilities."""

    encoder: str
    code: ClassVar[str] = "not_calibrated"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The encoder has no calibration"
    template: ClassVar[str] = (
        "min_relevance needs a calibration, and encoder {encoder} has none: use score_threshold, or"
        " make one with `viewfinder models calibrate {encoder} DATASET` and restart"
        " embedding_service"
    )


@dataclass(eq=False)
class NotExplainable(ViewfinderError):
    """A heat map that cannot be drawn."""

    encoder: str
    reason: str
    code: ClassVar[str] = "not_explainable"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "There is no heat map"
    template: ClassVar[str] = "Encoder {encoder} cannot show where it sees a text: {reason}"


@dataclass(eq=False)
class NothingToShow(ViewfinderError):
    """Words to be marked, and none of them stands there."""

    query: str
    code: ClassVar[str] = "nothing_to_show"
    http_status: ClassVar[int] = 422
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "No word of the query stands there"
    template: ClassVar[str] = (
        "No word of {query!r} was read in this picture: ask with show=map or show=auto"
    )


@dataclass(eq=False)
class ImageNotFound(ViewfinderError):
    """No such picture."""

    image_id: str
    code: ClassVar[str] = "image_not_found"
    http_status: ClassVar[int] = 404
    grpc_status: ClassVar[str] = "NOT_FOUND"
    title: ClassVar[str] = "No such picture"
    template: ClassVar[str] = "There is no picture with id {image_id}"


@dataclass(eq=False)
class ImageNotIndexed(ViewfinderError):
    """The picture is known, but has no vector (yet)."""

    image_id: str
    state: str
    code: ClassVar[str] = "image_not_indexed"
    http_status: ClassVar[int] = 409
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "The picture is not searchable yet"
    template: ClassVar[str] = "Picture {image_id} has no vector in the index; its state is {state}"


@dataclass(eq=False)
class PageOfDocument(ViewfinderError):
    """A page is neither deleted nor changed alone."""

    image_id: str
    page: int
    document_id: str
    code: ClassVar[str] = "page_of_document"
    http_status: ClassVar[int] = 409
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "A page goes with its document"
    template: ClassVar[str] = (
        "{image_id} is page {page} of document {document_id}; delete or change the document,"
        " its pages follow"
    )


@dataclass(eq=False)
class JobNotFound(ViewfinderError):
    """No such job."""

    job_id: str
    code: ClassVar[str] = "job_not_found"
    http_status: ClassVar[int] = 404
    grpc_status: ClassVar[str] = "NOT_FOUND"
    title: ClassVar[str] = "No such job"
    template: ClassVar[str] = "There is no job with id {job_id}"


@dataclass(eq=False)
class RangeNotSatisfiable(ViewfinderError):
    """A byte range outside of the content."""

    offset: int
    size_bytes: int
    code: ClassVar[str] = "range_not_satisfiable"
    http_status: ClassVar[int] = 416
    grpc_status: ClassVar[str] = "OUT_OF_RANGE"
    title: ClassVar[str] = "Range not satisfiable"
    template: ClassVar[str] = (
        "The range starts at byte {offset}; the content has {size_bytes} bytes"
    )


@dataclass(eq=False)
class EncoderMismatch(ViewfinderError):
    """Vectors of two encoders cannot be compared."""

    index_encoder: str
    offered_encoder: str
    code: ClassVar[str] = "encoder_mismatch"
    http_status: ClassVar[int] = 409
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "The index was built by another encoder"
    template: ClassVar[str] = (
        "The index holds vectors of {index_encoder}, offered were vectors of {offered_encoder};"
        " move the index with `viewfinder reindex --model NAME`, or start with its encoder"
    )


@dataclass(eq=False)
class StorageFull(ViewfinderError):
    """Nothing can be stored: the disk is full or not writable. What was stored before is safe."""

    where: str
    reason: str
    code: ClassVar[str] = "storage_full"
    http_status: ClassVar[int] = 507
    grpc_status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    title: ClassVar[str] = "Storage cannot be written"
    template: ClassVar[str] = "Cannot write to {where}: {reason}; free some space and try again"


@dataclass(eq=False)
class Overloaded(ViewfinderError):
    """More work than can be taken on."""

    what: str
    retry_after_s: int
    code: ClassVar[str] = "overloaded"
    http_status: ClassVar[int] = 429
    grpc_status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    title: ClassVar[str] = "Too many requests"
    template: ClassVar[str] = "{what} is busy; try again in {retry_after_s} s"


@dataclass(eq=False)
class RequestTooLarge(ViewfinderError):
    """A request's body beyond the limit."""

    size_bytes: int
    limit_bytes: int
    code: ClassVar[str] = "request_too_large"
    http_status: ClassVar[int] = 413
    grpc_status: ClassVar[str] = "INVALID_ARGUMENT"
    title: ClassVar[str] = "The request is too large"
    template: ClassVar[str] = (
        "The request's body has at least {size_bytes} bytes; allowed here: {limit_bytes}"
    )


@dataclass(eq=False)
class RequestTimeout(ViewfinderError):
    """The client stopped sending in the middle of a request."""

    idle_s: float
    code: ClassVar[str] = "request_timeout"
    http_status: ClassVar[int] = 408
    grpc_status: ClassVar[str] = "CANCELLED"
    title: ClassVar[str] = "The request did not arrive"
    template: ClassVar[str] = "Nothing of the request's body arrived for {idle_s} s"


@dataclass(eq=False)
class ForbiddenOrigin(ViewfinderError):
    """A web page of somebody else, or a host name that is not this gateway's."""

    header: str
    value: str
    setting: str
    code: ClassVar[str] = "forbidden_origin"
    http_status: ClassVar[int] = 403
    grpc_status: ClassVar[str] = "PERMISSION_DENIED"
    title: ClassVar[str] = "Not from there"
    template: ClassVar[str] = "{header} is {value!r}; {setting} says which are allowed"


@dataclass(eq=False)
class Unauthorized(ViewfinderError):
    """No API key, or a wrong one."""

    code: ClassVar[str] = "unauthorized"
    http_status: ClassVar[int] = 401
    grpc_status: ClassVar[str] = "UNAUTHENTICATED"
    title: ClassVar[str] = "An API key is needed"
    template: ClassVar[str] = "Send the API key in the header X-API-Key"


@dataclass(eq=False)
class ServiceUnavailable(ViewfinderError):
    """A part that is needed does not answer."""

    service: str
    reason: str = "it does not answer"
    code: ClassVar[str] = "service_unavailable"
    http_status: ClassVar[int] = 503
    grpc_status: ClassVar[str] = "UNAVAILABLE"
    title: ClassVar[str] = "A part of Viewfinder is away"
    template: ClassVar[str] = (
        "{service} is unavailable: {reason}; it is probably restarting, try again"
    )


@dataclass(eq=False)
class DeadlineExceeded(ViewfinderError):
    """The work did not end within the request's time."""

    service: str
    code: ClassVar[str] = "deadline_exceeded"
    http_status: ClassVar[int] = 504
    grpc_status: ClassVar[str] = "DEADLINE_EXCEEDED"
    title: ClassVar[str] = "It took too long"
    template: ClassVar[str] = "{service} did not answer in time"


def _all_errors(base: type[ViewfinderError]) -> list[type[ViewfinderError]]:
    return [base, *(leaf for child in base.__subclasses__() for leaf in _all_errors(child))]


def error_class(code: str) -> type[ViewfinderError] | None:
    """The class with this stable code, or None."""
    return next((cls for cls in _all_errors(InternalError) if cls.code == code), None) or next(
        (cls for cls in _all_errors(ViewfinderError) if cls.code == code), None
    )


def rebuild(code: str, fields_json: str) -> ViewfinderError | None:
    """The error that crossed a border as (code, fields), or None when it cannot be made again."""
    cls = error_class(code)
    if cls is None:
        return None
    try:
        return cls(**json.loads(fields_json))
    except (TypeError, ValueError):
        return None
