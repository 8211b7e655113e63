from viewfinder.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Original(_message.Message):
    __slots__ = ("offset", "length")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    offset: int
    length: int
    def __init__(self, offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class Rendition(_message.Message):
    __slots__ = ("width", "format")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    width: int
    format: str
    def __init__(self, width: _Optional[int] = ..., format: _Optional[str] = ...) -> None: ...

class Heatmap(_message.Message):
    __slots__ = ("query", "width", "format", "boxes", "encoder")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    query: str
    width: int
    format: str
    boxes: _containers.RepeatedCompositeFieldContainer[_common_pb2.Word]
    encoder: str
    def __init__(self, query: _Optional[str] = ..., width: _Optional[int] = ..., format: _Optional[str] = ..., boxes: _Optional[_Iterable[_Union[_common_pb2.Word, _Mapping]]] = ..., encoder: _Optional[str] = ...) -> None: ...

class GetContentRequest(_message.Message):
    __slots__ = ("image_id", "blob_key", "media_type", "original", "rendition", "heatmap", "head_only", "page", "password")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    RENDITION_FIELD_NUMBER: _ClassVar[int]
    HEATMAP_FIELD_NUMBER: _ClassVar[int]
    HEAD_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    blob_key: str
    media_type: str
    original: Original
    rendition: Rendition
    heatmap: Heatmap
    head_only: bool
    page: int
    password: str
    def __init__(self, image_id: _Optional[str] = ..., blob_key: _Optional[str] = ..., media_type: _Optional[str] = ..., original: _Optional[_Union[Original, _Mapping]] = ..., rendition: _Optional[_Union[Rendition, _Mapping]] = ..., heatmap: _Optional[_Union[Heatmap, _Mapping]] = ..., head_only: _Optional[bool] = ..., page: _Optional[int] = ..., password: _Optional[str] = ...) -> None: ...

class ContentHead(_message.Message):
    __slots__ = ("media_type", "size_bytes", "offset", "length", "etag")
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    media_type: str
    size_bytes: int
    offset: int
    length: int
    etag: str
    def __init__(self, media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., etag: _Optional[str] = ...) -> None: ...

class GetContentResponse(_message.Message):
    __slots__ = ("head", "chunk")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    head: ContentHead
    chunk: bytes
    def __init__(self, head: _Optional[_Union[ContentHead, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DropRenditionsRequest(_message.Message):
    __slots__ = ("image_ids",)
    IMAGE_IDS_FIELD_NUMBER: _ClassVar[int]
    image_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, image_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DropRenditionsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
