from viewfinder.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSpecRequest(_message.Message):
    __slots__ = ("encoder", "document")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    document: bool
    def __init__(self, encoder: _Optional[str] = ..., document: _Optional[bool] = ...) -> None: ...

class GetSpecResponse(_message.Message):
    __slots__ = ("spec", "device", "max_batch", "calibration", "reader")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    device: str
    max_batch: int
    calibration: Calibration
    reader: str
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., device: _Optional[str] = ..., max_batch: _Optional[int] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., reader: _Optional[str] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("id", "json")
    ID_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    json: str
    def __init__(self, id: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class EmbedTextRequest(_message.Message):
    __slots__ = ("texts", "encoder")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    encoder: str
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., encoder: _Optional[str] = ...) -> None: ...

class EmbedTextResponse(_message.Message):
    __slots__ = ("vectors", "spec", "multi", "calibration")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    vectors: _common_pb2.Vectors
    spec: _common_pb2.EncoderSpec
    multi: _common_pb2.MultiVectors
    calibration: Calibration
    def __init__(self, vectors: _Optional[_Union[_common_pb2.Vectors, _Mapping]] = ..., spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., multi: _Optional[_Union[_common_pb2.MultiVectors, _Mapping]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ...) -> None: ...

class EmbedImagesRequest(_message.Message):
    __slots__ = ("pixels", "encoder", "sized")
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    SIZED_FIELD_NUMBER: _ClassVar[int]
    pixels: _common_pb2.Pixels
    encoder: str
    sized: _containers.RepeatedCompositeFieldContainer[_common_pb2.Pixels]
    def __init__(self, pixels: _Optional[_Union[_common_pb2.Pixels, _Mapping]] = ..., encoder: _Optional[str] = ..., sized: _Optional[_Iterable[_Union[_common_pb2.Pixels, _Mapping]]] = ...) -> None: ...

class EmbedImagesResponse(_message.Message):
    __slots__ = ("vectors", "spec", "calibration", "multi")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    vectors: _common_pb2.Vectors
    spec: _common_pb2.EncoderSpec
    calibration: Calibration
    multi: _common_pb2.MultiVectors
    def __init__(self, vectors: _Optional[_Union[_common_pb2.Vectors, _Mapping]] = ..., spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., multi: _Optional[_Union[_common_pb2.MultiVectors, _Mapping]] = ...) -> None: ...

class ReadPictureRequest(_message.Message):
    __slots__ = ("pixels",)
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    pixels: _common_pb2.Pixels
    def __init__(self, pixels: _Optional[_Union[_common_pb2.Pixels, _Mapping]] = ...) -> None: ...

class ReadPictureResponse(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: _common_pb2.ReadText
    def __init__(self, text: _Optional[_Union[_common_pb2.ReadText, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("pixels", "text", "encoder")
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    pixels: _common_pb2.Pixels
    text: str
    encoder: str
    def __init__(self, pixels: _Optional[_Union[_common_pb2.Pixels, _Mapping]] = ..., text: _Optional[str] = ..., encoder: _Optional[str] = ...) -> None: ...

class TokenMap(_message.Message):
    __slots__ = ("token", "data")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    token: str
    data: bytes
    def __init__(self, token: _Optional[str] = ..., data: _Optional[bytes] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("rows", "columns", "data", "tokens", "spec")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    rows: int
    columns: int
    data: bytes
    tokens: _containers.RepeatedCompositeFieldContainer[TokenMap]
    spec: _common_pb2.EncoderSpec
    def __init__(self, rows: _Optional[int] = ..., columns: _Optional[int] = ..., data: _Optional[bytes] = ..., tokens: _Optional[_Iterable[_Union[TokenMap, _Mapping]]] = ..., spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...
