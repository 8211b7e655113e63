from google.protobuf import struct_pb2 as _struct_pb2
from viewfinder.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Point(_message.Message):
    __slots__ = ("id", "payload", "text", "described")
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    id: str
    payload: _struct_pb2.Struct
    text: str
    described: str
    def __init__(self, id: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., text: _Optional[str] = ..., described: _Optional[str] = ...) -> None: ...

class UpsertRequest(_message.Message):
    __slots__ = ("spec", "points", "vectors", "beside", "multi")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    BESIDE_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    points: _containers.RepeatedCompositeFieldContainer[Point]
    vectors: _common_pb2.Vectors
    beside: bool
    multi: _common_pb2.MultiVectors
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ..., vectors: _Optional[_Union[_common_pb2.Vectors, _Mapping]] = ..., beside: _Optional[bool] = ..., multi: _Optional[_Union[_common_pb2.MultiVectors, _Mapping]] = ...) -> None: ...

class UpsertResponse(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class SetPayloadRequest(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, points: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class SetPayloadResponse(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class DeletePointsRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeletePointsResponse(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("text", "pixels", "image_id", "top_k", "score_threshold", "filters", "also", "weight", "mode", "min_relevance", "facets", "group_by", "collapse", "cursor", "sort", "exact", "payload_as_json")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PIXELS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SCORE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    ALSO_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MIN_RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    COLLAPSE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_AS_JSON_FIELD_NUMBER: _ClassVar[int]
    text: str
    pixels: _common_pb2.Pixels
    image_id: str
    top_k: int
    score_threshold: float
    filters: _struct_pb2.Struct
    also: _containers.RepeatedCompositeFieldContainer[Example]
    weight: float
    mode: str
    min_relevance: float
    facets: _containers.RepeatedScalarFieldContainer[str]
    group_by: str
    collapse: float
    cursor: str
    sort: str
    exact: bool
    payload_as_json: bool
    def __init__(self, text: _Optional[str] = ..., pixels: _Optional[_Union[_common_pb2.Pixels, _Mapping]] = ..., image_id: _Optional[str] = ..., top_k: _Optional[int] = ..., score_threshold: _Optional[float] = ..., filters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., also: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., weight: _Optional[float] = ..., mode: _Optional[str] = ..., min_relevance: _Optional[float] = ..., facets: _Optional[_Iterable[str]] = ..., group_by: _Optional[str] = ..., collapse: _Optional[float] = ..., cursor: _Optional[str] = ..., sort: _Optional[str] = ..., exact: _Optional[bool] = ..., payload_as_json: _Optional[bool] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("text", "image_id", "weight")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    text: str
    image_id: str
    weight: float
    def __init__(self, text: _Optional[str] = ..., image_id: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("id", "score", "payload", "relevance", "same_ids", "pages", "matched", "late_score", "late_relevance", "words_fit", "payload_json")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    SAME_IDS_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    LATE_SCORE_FIELD_NUMBER: _ClassVar[int]
    LATE_RELEVANCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    payload: _struct_pb2.Struct
    relevance: float
    same_ids: _containers.RepeatedScalarFieldContainer[str]
    pages: _containers.RepeatedCompositeFieldContainer[GroupPage]
    matched: _containers.RepeatedScalarFieldContainer[str]
    late_score: float
    late_relevance: float
    words_fit: bool
    payload_json: bytes
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., relevance: _Optional[float] = ..., same_ids: _Optional[_Iterable[str]] = ..., pages: _Optional[_Iterable[_Union[GroupPage, _Mapping]]] = ..., matched: _Optional[_Iterable[str]] = ..., late_score: _Optional[float] = ..., late_relevance: _Optional[float] = ..., words_fit: _Optional[bool] = ..., payload_json: _Optional[bytes] = ...) -> None: ...

class GroupPage(_message.Message):
    __slots__ = ("id", "score", "page")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    page: int
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., page: _Optional[int] = ...) -> None: ...

class Facet(_message.Message):
    __slots__ = ("key", "values", "among")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    AMONG_FIELD_NUMBER: _ClassVar[int]
    key: str
    values: _containers.RepeatedCompositeFieldContainer[FacetValue]
    among: int
    def __init__(self, key: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FacetValue, _Mapping]]] = ..., among: _Optional[int] = ...) -> None: ...

class FacetValue(_message.Message):
    __slots__ = ("text", "number", "flag", "count")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    flag: bool
    count: int
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., flag: _Optional[bool] = ..., count: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("hits", "epoch", "spec", "embed_ms", "index_ms", "next_cursor", "facets", "compose_ms", "service_ms")
    HITS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    EMBED_MS_FIELD_NUMBER: _ClassVar[int]
    INDEX_MS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    COMPOSE_MS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    epoch: int
    spec: _common_pb2.EncoderSpec
    embed_ms: float
    index_ms: float
    next_cursor: str
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    compose_ms: float
    service_ms: float
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., epoch: _Optional[int] = ..., spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., embed_ms: _Optional[float] = ..., index_ms: _Optional[float] = ..., next_cursor: _Optional[str] = ..., facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ..., compose_ms: _Optional[float] = ..., service_ms: _Optional[float] = ...) -> None: ...

class GetCollectionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "vectors_count", "status", "indexed", "spec", "epoch", "others", "recall", "recall_samples")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VECTORS_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INDEXED_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    RECALL_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    vectors_count: int
    status: str
    indexed: bool
    spec: _common_pb2.EncoderSpec
    epoch: int
    others: _containers.RepeatedCompositeFieldContainer[Collection]
    recall: float
    recall_samples: int
    def __init__(self, name: _Optional[str] = ..., vectors_count: _Optional[int] = ..., status: _Optional[str] = ..., indexed: _Optional[bool] = ..., spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., epoch: _Optional[int] = ..., others: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ..., recall: _Optional[float] = ..., recall_samples: _Optional[int] = ...) -> None: ...

class SwitchCollectionRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...

class SwitchCollectionResponse(_message.Message):
    __slots__ = ("epoch",)
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    def __init__(self, epoch: _Optional[int] = ...) -> None: ...

class DropCollectionRequest(_message.Message):
    __slots__ = ("spec",)
    SPEC_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...

class DropCollectionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StoredWords(_message.Message):
    __slots__ = ("indices", "values")
    INDICES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    indices: _containers.RepeatedScalarFieldContainer[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, indices: _Optional[_Iterable[int]] = ..., values: _Optional[_Iterable[float]] = ...) -> None: ...

class StoredPoint(_message.Message):
    __slots__ = ("id", "payload_json", "words")
    ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_JSON_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    payload_json: str
    words: StoredWords
    def __init__(self, id: _Optional[str] = ..., payload_json: _Optional[str] = ..., words: _Optional[_Union[StoredWords, _Mapping]] = ...) -> None: ...

class StoredPoints(_message.Message):
    __slots__ = ("points", "vectors", "multi")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    MULTI_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[StoredPoint]
    vectors: _common_pb2.Vectors
    multi: _common_pb2.MultiVectors
    def __init__(self, points: _Optional[_Iterable[_Union[StoredPoint, _Mapping]]] = ..., vectors: _Optional[_Union[_common_pb2.Vectors, _Mapping]] = ..., multi: _Optional[_Union[_common_pb2.MultiVectors, _Mapping]] = ...) -> None: ...

class DumpCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DumpedCollection(_message.Message):
    __slots__ = ("spec", "active", "vectors_count")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    VECTORS_COUNT_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    active: bool
    vectors_count: int
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., active: _Optional[bool] = ..., vectors_count: _Optional[int] = ...) -> None: ...

class DumpCollectionsResponse(_message.Message):
    __slots__ = ("collection", "points")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    collection: DumpedCollection
    points: StoredPoints
    def __init__(self, collection: _Optional[_Union[DumpedCollection, _Mapping]] = ..., points: _Optional[_Union[StoredPoints, _Mapping]] = ...) -> None: ...

class RestorePointsRequest(_message.Message):
    __slots__ = ("spec", "points", "beside")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    BESIDE_FIELD_NUMBER: _ClassVar[int]
    spec: _common_pb2.EncoderSpec
    points: StoredPoints
    beside: bool
    def __init__(self, spec: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., points: _Optional[_Union[StoredPoints, _Mapping]] = ..., beside: _Optional[bool] = ...) -> None: ...

class RestorePointsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
