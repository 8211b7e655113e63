import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from viewfinder.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImageRecord(_message.Message):
    __slots__ = ("id", "sha256", "state", "failure", "file_name", "file_path", "media_type", "size_bytes", "width", "height", "tags", "metadata", "exif", "uploaded_at", "indexed_at", "blob_key", "version", "document_id", "page", "pages", "text", "text_source", "password", "pages_done", "description")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    FILE_PATH_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXIF_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_AT_FIELD_NUMBER: _ClassVar[int]
    INDEXED_AT_FIELD_NUMBER: _ClassVar[int]
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TEXT_SOURCE_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    PAGES_DONE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    id: str
    sha256: str
    state: str
    failure: str
    file_name: str
    file_path: str
    media_type: str
    size_bytes: int
    width: int
    height: int
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _struct_pb2.Struct
    exif: Exif
    uploaded_at: _timestamp_pb2.Timestamp
    indexed_at: _timestamp_pb2.Timestamp
    blob_key: str
    version: int
    document_id: str
    page: int
    pages: int
    text: str
    text_source: str
    password: str
    pages_done: int
    description: Description
    def __init__(self, id: _Optional[str] = ..., sha256: _Optional[str] = ..., state: _Optional[str] = ..., failure: _Optional[str] = ..., file_name: _Optional[str] = ..., file_path: _Optional[str] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., exif: _Optional[_Union[Exif, _Mapping]] = ..., uploaded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., indexed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., blob_key: _Optional[str] = ..., version: _Optional[int] = ..., document_id: _Optional[str] = ..., page: _Optional[int] = ..., pages: _Optional[int] = ..., text: _Optional[str] = ..., text_source: _Optional[str] = ..., password: _Optional[str] = ..., pages_done: _Optional[int] = ..., description: _Optional[_Union[Description, _Mapping]] = ...) -> None: ...

class Description(_message.Message):
    __slots__ = ("caption", "objects", "text", "colours", "setting", "model", "edited", "described_at")
    CAPTION_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    COLOURS_FIELD_NUMBER: _ClassVar[int]
    SETTING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EDITED_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_AT_FIELD_NUMBER: _ClassVar[int]
    caption: str
    objects: _containers.RepeatedScalarFieldContainer[str]
    text: str
    colours: _containers.RepeatedScalarFieldContainer[str]
    setting: str
    model: str
    edited: bool
    described_at: _timestamp_pb2.Timestamp
    def __init__(self, caption: _Optional[str] = ..., objects: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., colours: _Optional[_Iterable[str]] = ..., setting: _Optional[str] = ..., model: _Optional[str] = ..., edited: _Optional[bool] = ..., described_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Exif(_message.Message):
    __slots__ = ("taken_at", "camera_make", "camera_model", "latitude", "longitude", "orientation")
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    CAMERA_MAKE_FIELD_NUMBER: _ClassVar[int]
    CAMERA_MODEL_FIELD_NUMBER: _ClassVar[int]
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    ORIENTATION_FIELD_NUMBER: _ClassVar[int]
    taken_at: str
    camera_make: str
    camera_model: str
    latitude: float
    longitude: float
    orientation: int
    def __init__(self, taken_at: _Optional[str] = ..., camera_make: _Optional[str] = ..., camera_model: _Optional[str] = ..., latitude: _Optional[float] = ..., longitude: _Optional[float] = ..., orientation: _Optional[int] = ...) -> None: ...

class GetImagesRequest(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetImagesResponse(_message.Message):
    __slots__ = ("images",)
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    def __init__(self, images: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ...) -> None: ...

class GetTextRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetTextResponse(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: _common_pb2.ReadText
    def __init__(self, text: _Optional[_Union[_common_pb2.ReadText, _Mapping]] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("limit", "cursor", "states", "tags", "document_id")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    limit: int
    cursor: str
    states: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    document_id: str
    def __init__(self, limit: _Optional[int] = ..., cursor: _Optional[str] = ..., states: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., document_id: _Optional[str] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images", "next_cursor", "total")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    next_cursor: str
    total: int
    def __init__(self, images: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ..., next_cursor: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class TagList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class UpdateImageRequest(_message.Message):
    __slots__ = ("id", "tags", "metadata", "description")
    ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    id: str
    tags: TagList
    metadata: _struct_pb2.Struct
    description: Description
    def __init__(self, id: _Optional[str] = ..., tags: _Optional[_Union[TagList, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., description: _Optional[_Union[Description, _Mapping]] = ...) -> None: ...

class DeleteImageRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DeleteImageResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobFailure(_message.Message):
    __slots__ = ("image_id", "file_name", "reason")
    IMAGE_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    image_id: str
    file_name: str
    reason: str
    def __init__(self, image_id: _Optional[str] = ..., file_name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("job_id", "total", "stored", "indexed", "failed", "gone", "done", "failures", "created_at")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    INDEXED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    total: int
    stored: int
    indexed: int
    failed: int
    gone: int
    done: bool
    failures: _containers.RepeatedCompositeFieldContainer[JobFailure]
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., total: _Optional[int] = ..., stored: _Optional[int] = ..., indexed: _Optional[int] = ..., failed: _Optional[int] = ..., gone: _Optional[int] = ..., done: _Optional[bool] = ..., failures: _Optional[_Iterable[_Union[JobFailure, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetCatalogStatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CatalogStats(_message.Message):
    __slots__ = ("by_state", "total", "size_bytes", "documents", "pages", "to_read")
    class ByStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BY_STATE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    TO_READ_FIELD_NUMBER: _ClassVar[int]
    by_state: _containers.ScalarMap[str, int]
    total: int
    size_bytes: int
    documents: int
    pages: int
    to_read: int
    def __init__(self, by_state: _Optional[_Mapping[str, int]] = ..., total: _Optional[int] = ..., size_bytes: _Optional[int] = ..., documents: _Optional[int] = ..., pages: _Optional[int] = ..., to_read: _Optional[int] = ...) -> None: ...

class ClaimWorkRequest(_message.Message):
    __slots__ = ("claim_id", "limit", "lease_s", "reads", "document_encoder", "describes", "describer", "describe_limit", "describing", "describe_lease_s")
    CLAIM_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ENCODER_FIELD_NUMBER: _ClassVar[int]
    DESCRIBES_FIELD_NUMBER: _ClassVar[int]
    DESCRIBER_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    DESCRIBING_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_LEASE_S_FIELD_NUMBER: _ClassVar[int]
    claim_id: str
    limit: int
    lease_s: int
    reads: bool
    document_encoder: _common_pb2.EncoderSpec
    describes: bool
    describer: str
    describe_limit: int
    describing: _containers.RepeatedScalarFieldContainer[str]
    describe_lease_s: int
    def __init__(self, claim_id: _Optional[str] = ..., limit: _Optional[int] = ..., lease_s: _Optional[int] = ..., reads: _Optional[bool] = ..., document_encoder: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., describes: _Optional[bool] = ..., describer: _Optional[str] = ..., describe_limit: _Optional[int] = ..., describing: _Optional[_Iterable[str]] = ..., describe_lease_s: _Optional[int] = ...) -> None: ...

class ClaimWorkResponse(_message.Message):
    __slots__ = ("to_index", "to_refresh", "to_delete", "more", "reindex", "switch_to", "to_read", "documents", "drop", "to_describe")
    TO_INDEX_FIELD_NUMBER: _ClassVar[int]
    TO_REFRESH_FIELD_NUMBER: _ClassVar[int]
    TO_DELETE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    REINDEX_FIELD_NUMBER: _ClassVar[int]
    SWITCH_TO_FIELD_NUMBER: _ClassVar[int]
    TO_READ_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    TO_DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    to_index: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    to_refresh: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    to_delete: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    reindex: ReindexWork
    switch_to: _common_pb2.EncoderSpec
    to_read: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    documents: ReindexWork
    drop: _common_pb2.EncoderSpec
    to_describe: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    def __init__(self, to_index: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ..., to_refresh: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ..., to_delete: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ..., reindex: _Optional[_Union[ReindexWork, _Mapping]] = ..., switch_to: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., to_read: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ..., documents: _Optional[_Union[ReindexWork, _Mapping]] = ..., drop: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., to_describe: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ...) -> None: ...

class ReindexWork(_message.Message):
    __slots__ = ("encoder", "images")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    encoder: _common_pb2.EncoderSpec
    images: _containers.RepeatedCompositeFieldContainer[ImageRecord]
    def __init__(self, encoder: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., images: _Optional[_Iterable[_Union[ImageRecord, _Mapping]]] = ...) -> None: ...

class WorkResult(_message.Message):
    __slots__ = ("id", "outcome", "reason", "version", "encoder", "text", "description", "took_s", "model")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[WorkResult.Outcome]
        OUTCOME_INDEXED: _ClassVar[WorkResult.Outcome]
        OUTCOME_FAILED: _ClassVar[WorkResult.Outcome]
        OUTCOME_RETRY: _ClassVar[WorkResult.Outcome]
        OUTCOME_DELETED: _ClassVar[WorkResult.Outcome]
        OUTCOME_READ: _ClassVar[WorkResult.Outcome]
        OUTCOME_DESCRIBED: _ClassVar[WorkResult.Outcome]
        OUTCOME_REFUSED: _ClassVar[WorkResult.Outcome]
    OUTCOME_UNSPECIFIED: WorkResult.Outcome
    OUTCOME_INDEXED: WorkResult.Outcome
    OUTCOME_FAILED: WorkResult.Outcome
    OUTCOME_RETRY: WorkResult.Outcome
    OUTCOME_DELETED: WorkResult.Outcome
    OUTCOME_READ: WorkResult.Outcome
    OUTCOME_DESCRIBED: WorkResult.Outcome
    OUTCOME_REFUSED: WorkResult.Outcome
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TOOK_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    id: str
    outcome: WorkResult.Outcome
    reason: str
    version: int
    encoder: str
    text: _common_pb2.ReadText
    description: Description
    took_s: float
    model: str
    def __init__(self, id: _Optional[str] = ..., outcome: _Optional[_Union[WorkResult.Outcome, str]] = ..., reason: _Optional[str] = ..., version: _Optional[int] = ..., encoder: _Optional[str] = ..., text: _Optional[_Union[_common_pb2.ReadText, _Mapping]] = ..., description: _Optional[_Union[Description, _Mapping]] = ..., took_s: _Optional[float] = ..., model: _Optional[str] = ...) -> None: ...

class ReportWorkRequest(_message.Message):
    __slots__ = ("claim_id", "results", "switched", "dropped")
    CLAIM_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SWITCHED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    claim_id: str
    results: _containers.RepeatedCompositeFieldContainer[WorkResult]
    switched: _common_pb2.EncoderSpec
    dropped: _common_pb2.EncoderSpec
    def __init__(self, claim_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[WorkResult, _Mapping]]] = ..., switched: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., dropped: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...

class ReportWorkResponse(_message.Message):
    __slots__ = ("gone",)
    GONE_FIELD_NUMBER: _ClassVar[int]
    gone: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, gone: _Optional[_Iterable[str]] = ...) -> None: ...

class StartReindexRequest(_message.Message):
    __slots__ = ("candidate", "active", "hold")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    candidate: _common_pb2.EncoderSpec
    active: _common_pb2.EncoderSpec
    hold: bool
    def __init__(self, candidate: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., active: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., hold: _Optional[bool] = ...) -> None: ...

class GetReindexRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SwitchEncoderRequest(_message.Message):
    __slots__ = ("back",)
    BACK_FIELD_NUMBER: _ClassVar[int]
    back: bool
    def __init__(self, back: _Optional[bool] = ...) -> None: ...

class ForgetEncoderRequest(_message.Message):
    __slots__ = ("previous",)
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    previous: bool
    def __init__(self, previous: _Optional[bool] = ...) -> None: ...

class Reindex(_message.Message):
    __slots__ = ("state", "active", "candidate", "previous", "total", "done", "failed", "started_at", "dropped")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    state: str
    active: _common_pb2.EncoderSpec
    candidate: _common_pb2.EncoderSpec
    previous: _common_pb2.EncoderSpec
    total: int
    done: int
    failed: int
    started_at: _timestamp_pb2.Timestamp
    dropped: _common_pb2.EncoderSpec
    def __init__(self, state: _Optional[str] = ..., active: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., candidate: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., previous: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ..., total: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dropped: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...

class RequestDescriptionsRequest(_message.Message):
    __slots__ = ("ids", "tags", "states", "document_id", "all", "again", "other_model", "limit", "dry_run", "model", "max_side", "failed")
    IDS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FIELD_NUMBER: _ClassVar[int]
    OTHER_MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    states: _containers.RepeatedScalarFieldContainer[str]
    document_id: str
    all: bool
    again: bool
    other_model: bool
    limit: int
    dry_run: bool
    model: str
    max_side: int
    failed: bool
    def __init__(self, ids: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., states: _Optional[_Iterable[str]] = ..., document_id: _Optional[str] = ..., all: _Optional[bool] = ..., again: _Optional[bool] = ..., other_model: _Optional[bool] = ..., limit: _Optional[int] = ..., dry_run: _Optional[bool] = ..., model: _Optional[str] = ..., max_side: _Optional[int] = ..., failed: _Optional[bool] = ...) -> None: ...

class RequestDescriptionsResponse(_message.Message):
    __slots__ = ("asked", "waiting", "described", "unknown", "patches", "mean_s", "mean_chars", "failed")
    ASKED_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    PATCHES_FIELD_NUMBER: _ClassVar[int]
    MEAN_S_FIELD_NUMBER: _ClassVar[int]
    MEAN_CHARS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    asked: int
    waiting: int
    described: int
    unknown: int
    patches: float
    mean_s: float
    mean_chars: float
    failed: int
    def __init__(self, asked: _Optional[int] = ..., waiting: _Optional[int] = ..., described: _Optional[int] = ..., unknown: _Optional[int] = ..., patches: _Optional[float] = ..., mean_s: _Optional[float] = ..., mean_chars: _Optional[float] = ..., failed: _Optional[int] = ...) -> None: ...

class GetDescriptionsRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class DescriptionProgress(_message.Message):
    __slots__ = ("waiting", "described", "edited", "failed", "in_hand", "mean_s", "held_up", "failures")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    DESCRIBED_FIELD_NUMBER: _ClassVar[int]
    EDITED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    IN_HAND_FIELD_NUMBER: _ClassVar[int]
    MEAN_S_FIELD_NUMBER: _ClassVar[int]
    HELD_UP_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    waiting: int
    described: int
    edited: int
    failed: int
    in_hand: int
    mean_s: float
    held_up: str
    failures: _containers.RepeatedCompositeFieldContainer[JobFailure]
    def __init__(self, waiting: _Optional[int] = ..., described: _Optional[int] = ..., edited: _Optional[int] = ..., failed: _Optional[int] = ..., in_hand: _Optional[int] = ..., mean_s: _Optional[float] = ..., held_up: _Optional[str] = ..., failures: _Optional[_Iterable[_Union[JobFailure, _Mapping]]] = ...) -> None: ...

class StopDescriptionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopDescriptionsResponse(_message.Message):
    __slots__ = ("stopped",)
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    stopped: int
    def __init__(self, stopped: _Optional[int] = ...) -> None: ...

class DumpCatalogueRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CatalogueHead(_message.Message):
    __slots__ = ("schema", "size_bytes", "images", "originals_bytes", "active")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    ORIGINALS_BYTES_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    schema: str
    size_bytes: int
    images: int
    originals_bytes: int
    active: _common_pb2.EncoderSpec
    def __init__(self, schema: _Optional[str] = ..., size_bytes: _Optional[int] = ..., images: _Optional[int] = ..., originals_bytes: _Optional[int] = ..., active: _Optional[_Union[_common_pb2.EncoderSpec, _Mapping]] = ...) -> None: ...

class OriginalEntry(_message.Message):
    __slots__ = ("blob_key", "sha256", "size_bytes")
    BLOB_KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    blob_key: str
    sha256: str
    size_bytes: int
    def __init__(self, blob_key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class OriginalEntries(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[OriginalEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[OriginalEntry, _Mapping]]] = ...) -> None: ...

class DumpCatalogueResponse(_message.Message):
    __slots__ = ("head", "chunk", "originals")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    ORIGINALS_FIELD_NUMBER: _ClassVar[int]
    head: CatalogueHead
    chunk: bytes
    originals: OriginalEntries
    def __init__(self, head: _Optional[_Union[CatalogueHead, _Mapping]] = ..., chunk: _Optional[bytes] = ..., originals: _Optional[_Union[OriginalEntries, _Mapping]] = ...) -> None: ...
