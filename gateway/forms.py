"""multipart/form-data as it arrives: fields whole, files in pieces, nothing on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from viewfinder.errors import InvalidRequest, MetadataTooLarge

MAX_FIELDS = 4096


@dataclass(frozen=True)
class Field:
    """A part without a file name."""

    name: str
    value: str


@dataclass(frozen=True)
class FileStart:
    """A part with a file name begins. Its bytes follow, then FileEnd."""

    name: str
    file_name: str


@dataclass(frozen=True)
class FileBytes:
    """Some bytes of the file that began last."""

    data: bytes


@dataclass(frozen=True)
class FileEnd:
    """The file is complete."""


Event = Field | FileStart | FileBytes | FileEnd


async def read_form(request: Request, max_field_bytes: int) -> AsyncGenerator[Event, None]:
    """What the form holds, in the order it was sent. Ends only after the form's own end.

    Raises:
        InvalidRequest: it is no form, or breaks off.
        MetadataTooLarge: a field beyond the limit.
        ClientDisconnect: the client went away.
    """
    parser = _Parser(_boundary(request.headers.get("content-type", "")), max_field_bytes)
    async for data in request.stream():
        for event in parser.feed(data):
            yield event
    parser.finish()


def _boundary(content_type: str) -> bytes:
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise InvalidRequest(
            field="Content-Type",
            value=repr(content_type[:200]),
            allowed="multipart/form-data with a boundary",
        )
    return boundary


class _Parser:
    """Collects what python-multipart calls back with."""

    def __init__(self, boundary: bytes, max_field_bytes: int) -> None:
        self._max_field_bytes = max_field_bytes
        self._events: list[Event] = []
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._field_name = ""
        self._field: bytearray | None = None  # None while a file is read
        self._fields = 0
        self._is_complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _not_a_form(str(error)) from error

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete."""
        self._events = []
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _not_a_form(str(error)) from error
        return self._events

    def finish(self) -> None:
        """The body is over; the form must be as well."""
        if not self._is_complete:
            raise _not_a_form("it breaks off before its final boundary")

    def _on_part_begin(self) -> None:
        self._disposition = b""
        self._header_name.clear()
        self._header_value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _not_a_form("a part has no Content-Disposition with a name")
        name = _text(options[b"name"])
        if b"filename" in options:  # filename* is forbidden here (RFC 7578, 4.2)
            self._field = None
            self._events.append(FileStart(name, _text(options[b"filename"])))
            return
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise InvalidRequest(
                field="form", value=f"{self._fields} fields", allowed=str(MAX_FIELDS)
            )
        self._field_name = name
        self._field = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._events.append(FileBytes(data[start:end]))
            return
        self._field += data[start:end]
        if len(self._field) > self._max_field_bytes:
            raise MetadataTooLarge(
                what=f"the field {self._field_name[:100]!a}, bytes",
                size=len(self._field),
                limit=self._max_field_bytes,
            )

    def _on_part_end(self) -> None:
        if self._field is None:
            self._events.append(FileEnd())
        else:
            self._events.append(Field(self._field_name, _text(self._field)))

    def _on_end(self) -> None:
        self._is_complete = True


def _text(value: bytes | bytearray) -> str:
    return value.decode("utf-8", "replace")


def _not_a_form(reason: str) -> InvalidRequest:
    return InvalidRequest(
        field="body", value=f"not to be read ({reason})", allowed="multipart/form-data (RFC 7578)"
    )
