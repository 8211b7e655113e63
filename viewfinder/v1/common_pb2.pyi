from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorDetail(_message.Message):
    __slots__ = ("code", "message", "fields_json")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_JSON_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    fields_json: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., fields_json: _Optional[str] = ...) -> None: ...

class PixelSpec(_message.Message):
    __slots__ = ("size", "resize_mode", "interpolation", "fill", "multiple", "min_pixels", "max_pixels")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    RESIZE_MODE_FIELD_NUMBER: _ClassVar[int]
    INTERPOLATION_FIELD_NUMBER: _ClassVar[int]
    FILL_FIELD_NUMBER: _ClassVar[int]
    MULTIPLE_FIELD_NUMBER: _ClassVar[int]
    MIN_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_PIXELS_FIELD_NUMBER: _ClassVar[int]
    size: int
    resize_mode: str
    interpolation: str
    fill: int
    multiple: int
    min_pixels: int
    max_pixels: int
    def __init__(self, size: _Optional[int] = ..., resize_mode: _Optional[str] = ..., interpolation: _Optional[str] = ..., fill: _Optional[int] = ..., multiple: _Optional[int] = ..., min_pixels: _Optional[int] = ..., max_pixels: _Optional[int] = ...) -> None: ...

class EncoderSpec(_message.Message):
    __slots__ = ("name", "revision", "kind", "dim", "pixels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    kind: str
    dim: int
    pixels: PixelSpec
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ..., kind: _Optional[str] = ..., dim: _Optional[int] = ..., pixels: _Optional[_Union[PixelSpec, _Mapping]] = ...) -> None: ...

class Pixels(_message.Message):
    __slots__ = ("data", "count", "height", "width")
    DATA_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    count: int
    height: int
    width: int
    def __init__(self, data: _Optional[bytes] = ..., count: _Optional[int] = ..., height: _Optional[int] = ..., width: _Optional[int] = ...) -> None: ...

class Vectors(_message.Message):
    __slots__ = ("data", "count", "dim")
    DATA_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    count: int
    dim: int
    def __init__(self, data: _Optional[bytes] = ..., count: _Optional[int] = ..., dim: _Optional[int] = ...) -> None: ...

class MultiVectors(_message.Message):
    __slots__ = ("data", "rows", "dim")
    DATA_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    rows: _containers.RepeatedScalarFieldContainer[int]
    dim: int
    def __init__(self, data: _Optional[bytes] = ..., rows: _Optional[_Iterable[int]] = ..., dim: _Optional[int] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "left", "top", "right", "bottom", "line", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ..., line: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class ReadText(_message.Message):
    __slots__ = ("source", "words", "reader")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    source: str
    words: _containers.RepeatedCompositeFieldContainer[Word]
    reader: str
    def __init__(self, source: _Optional[str] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., reader: _Optional[str] = ...) -> None: ...
