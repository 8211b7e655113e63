"""POST /images: files streamed to upload_service as they arrive, or one picture as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from google.protobuf.struct_pb2 import Struct
from pydantic import TypeAdapter, ValidationError

from gateway import examples
from gateway.answers import answer
from gateway.base64_picture import from_base64
from gateway.forms import Event, Field, FileBytes, FileEnd, FileStart, read_form
from gateway.json_values import checked_metadata, is_text, parse_list, parse_object
from gateway.parts import Parts, PartsDep
from gateway.problem import UploadRefusedError, problem_of, validation_problem
from gateway.records import state_of
from gateway.sending import CHUNK_BYTES, OutgoingFile
from gateway.services import QUICK_S
from viewfinder import api_models as api
from viewfinder.errors import InvalidRequest, ViewfinderError
from viewfinder.ids import new_id
from viewfinder.v1 import catalog_pb2, upload_pb2

_FIELDS = "tags, metadata, job_id, password, describe, file_path, and files"
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no", "")
_MAX_PATH_CHARS = 4096
_DESCRIBING = "describe=true"

router = APIRouter(tags=["pictures"])
_tags: TypeAdapter[list[str]] = TypeAdapter(api.Tags)


@dataclass
class _Options:
    """What the fields of a form say of the files that follow."""

    limit_bytes: int
    job_id: str = field(default_factory=new_id)
    tags: list[str] = field(default_factory=list)
    metadata: Struct = field(default_factory=Struct)
    password: str = field(default="", repr=False)
    describe: bool = False
    file_path: str = ""  # of the next file only
    is_late: bool = False  # tags or metadata came after a file

    def take(self, sent: Field, is_late: bool) -> None:
        """One field; `is_late` when a file came before it."""
        if sent.name == "password":  # never in an error
            self.password = _password(sent.value, is_late)
            return
        if not is_text(sent.value):
            raise InvalidRequest(field=sent.name, value=ascii(sent.value[:100]), allowed="text")
        match sent.name:
            case "tags":
                self.is_late |= is_late
                self.tags = checked_tags([*self.tags, *_several(sent.value)])
            case "metadata":
                self.is_late |= is_late
                values = parse_object(sent.value, "metadata")
                self.metadata = checked_metadata(values, self.limit_bytes)
            case "job_id" if is_late:
                raise InvalidRequest(
                    field="job_id", value="after a file", allowed="before the files"
                )
            case "job_id":
                self.job_id = _uuid(sent.value)
            case "describe":
                self.describe = _flag(sent, is_late)
            case "file_path":
                self.file_path = _path(sent.value)
            case _:
                raise InvalidRequest(
                    field="form", value=f"a field {sent.name[:100]!a}", allowed=_FIELDS
                )

    def header(self, file_name: str) -> upload_pb2.UploadHeader:
        """What travels before the bytes of the next file."""
        path, self.file_path = self.file_path, ""
        return upload_pb2.UploadHeader(
            file_name=file_name,
            job_id=self.job_id,
            tags=self.tags,
            metadata=self.metadata,
            file_path=path,
            password=self.password,
            describe=self.describe,
        )


@dataclass
class _Outcome:
    """What became of the files so far."""

    parts: Parts
    images: list[api.UploadedImage] = field(default_factory=list)
    rejected: list[api.RejectedFile] = field(default_factory=list)
    first_error: ViewfinderError | None = None

    def accept(self, taken: upload_pb2.UploadResponse, file_name: str) -> None:
        record = taken.image
        self.images.append(
            api.UploadedImage(
                id=record.id,
                url=self.parts.urls.original(record.id),
                thumbnail_url=self.parts.urls.thumbnail(record.id),
                state=state_of(record),
                duplicate=taken.duplicate,
                file_name=file_name,
                pages=record.pages or None,
            )
        )
        self._count("duplicate" if taken.duplicate else "stored")

    def reject(self, error: ViewfinderError, file_name: str) -> None:
        self.first_error = self.first_error or error
        self.rejected.append(api.RejectedFile(file_name=file_name, error=problem_of(error)))
        self._count(error.code)

    def _count(self, outcome: str) -> None:
        self.parts.metrics.files.labels(outcome).inc()

    def response(self, job_id: str) -> Response:
        """202 where at least one file was accepted.

        Raises:
            UploadRefusedError: none was.
            InvalidRequest: there was none.
        """
        if self.first_error is not None and not self.images:
            raise UploadRefusedError(self.first_error, self.rejected)
        if not self.images:
            raise InvalidRequest(field="files", value="missing", allowed="at least one file")
        accepted = api.UploadAccepted(images=self.images, rejected=self.rejected, job_id=job_id)
        return answer(accepted, HTTPStatus.ACCEPTED)


@router.post(
    "/images",
    summary="Upload pictures and PDFs",
    status_code=HTTPStatus.ACCEPTED,
    response_model=api.UploadAccepted,
    openapi_extra=examples.UPLOAD,
)
async def upload(request: Request, parts: PartsDep) -> Response:
    """Take files in; answers as soon as all are stored durably, searchable seconds later.

    As a form: `tags` (repeated, separated by commas, or a JSON list) and `metadata` (a JSON object)
    are for all files; `job_id` comes before them, so does the `password` that opens encrypted PDFs
    among them and `describe` (true: the vision model describes all of them once they are
    indexed), and a `file_path` before each. A file that is refused is in `rejected`, the others
    are not concerned. As JSON: one picture or PDF as base64.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return await _upload_json(request, parts)
    limit = max(parts.settings.max_metadata_bytes * 2, _MAX_PATH_CHARS * 4)
    async with aclosing(read_form(request, limit)) as events:
        return await _upload_form(events, parts)


async def _upload_form(events: AsyncIterator[Event], parts: Parts) -> Response:
    options, outcome = _Options(parts.settings.max_metadata_bytes), _Outcome(parts)
    outgoing: OutgoingFile | None = None
    file_name, files = "", 0
    try:
        async for event in events:
            if isinstance(event, FileBytes):
                assert outgoing is not None
                parts.metrics.upload_bytes.inc(len(event.data))
                await outgoing.write(event.data)
            elif isinstance(event, FileStart):
                files += 1
                if files > parts.settings.max_request_files:
                    raise InvalidRequest(
                        field="files",
                        value=f"more than {files - 1}",
                        allowed=f"{parts.settings.max_request_files} in one request",
                    )
                file_name = event.file_name
                outgoing = OutgoingFile(parts.services, options.header(file_name))
            elif isinstance(event, FileEnd):
                assert outgoing is not None
                try:
                    outcome.accept(await outgoing.finish(), file_name)
                except ViewfinderError as error:
                    outcome.reject(error, file_name)
                outgoing = None
            else:
                options.take(event, is_late=files > 0)
                if options.describe:
                    parts.vision_model(_DESCRIBING)
    finally:
        if outgoing is not None:
            await outgoing.abandon()
    if options.is_late:
        await _label(outcome.images, options, parts)
    return outcome.response(options.job_id)


async def _label(images: list[api.UploadedImage], options: _Options, parts: Parts) -> None:
    """Fields that came after files are for these files too."""
    for image in images:
        if image.duplicate:
            continue  # what is known of a picture is not changed by sending it again
        request = catalog_pb2.UpdateImageRequest(id=image.id, metadata=options.metadata)
        request.tags.values.extend(options.tags)
        request.tags.SetInParent()
        await parts.services.catalog.UpdateImage(request, timeout=QUICK_S)


async def _upload_json(request: Request, parts: Parts) -> Response:
    body = api.Base64Upload.model_validate_json(await request.body())
    if body.describe:
        parts.vision_model(_DESCRIBING)
    metadata = checked_metadata(body.metadata, parts.settings.max_metadata_bytes)
    limit = parts.settings.max_inline_image_bytes
    data = await asyncio.to_thread(from_base64, body.image_base64, limit)
    job_id = new_id() if body.job_id is None else str(body.job_id)
    header = upload_pb2.UploadHeader(
        file_name=body.filename,
        job_id=job_id,
        tags=body.tags,
        metadata=metadata,
        file_path=body.file_path,
        password=_password(body.password.get_secret_value(), is_late=False),
        describe=body.describe,
    )
    outcome = _Outcome(parts)
    outgoing = OutgoingFile(parts.services, header)
    parts.metrics.upload_bytes.inc(len(data))
    try:
        for start in range(0, len(data), CHUNK_BYTES):
            await outgoing.write(data[start : start + CHUNK_BYTES])
        outcome.accept(await outgoing.finish(), body.filename)
    except ViewfinderError as error:
        outcome.reject(error, body.filename)
    finally:
        await outgoing.abandon()
    return outcome.response(job_id)


def checked_tags(tags: list[Any]) -> list[str]:
    """Tags of a form, by the rules of the JSON interface."""
    try:
        return _tags.validate_python(tags)
    except ValidationError as error:
        problem = validation_problem(
            [{**one, "loc": ("tags", *one["loc"])} for one in error.errors()]
        )
        raise InvalidRequest(**_as_text(problem.fields)) from error


def _as_text(fields: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


def _several(value: str) -> list[Any]:
    if value.lstrip().startswith("["):
        return list(parse_list(value, "tags"))
    return [tag.strip() for tag in value.split(",") if tag.strip()]


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise InvalidRequest(
            field="job_id", value=ascii(value[:100]), allowed="a UUID, or nothing"
        ) from None


def _flag(sent: Field, is_late: bool) -> bool:
    if is_late:
        raise InvalidRequest(field=sent.name, value="after a file", allowed="before the files")
    value = sent.value.strip().lower()
    if value not in (*_YES, *_NO):
        raise InvalidRequest(field=sent.name, value=ascii(sent.value[:100]), allowed="true, false")
    return value in _YES


def _password(value: str, is_late: bool) -> str:
    allowed = f"at most {api.MAX_PASSWORD_CHARS} characters"
    if is_late:
        raise InvalidRequest(field="password", value="after a file", allowed="before the files")
    if not is_text(value):
        raise InvalidRequest(field="password", value="no Unicode text", allowed=allowed)
    if len(value) > api.MAX_PASSWORD_CHARS:
        raise InvalidRequest(field="password", value=f"{len(value)} characters", allowed=allowed)
    return value


def _path(value: str) -> str:
    if len(value) > _MAX_PATH_CHARS:
        raise InvalidRequest(
            field="file_path",
            value=f"{len(value)} characters",
            allowed=f"at most {_MAX_PATH_CHARS}",
        )
    return value
