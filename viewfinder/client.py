"""The typed client of the REST interface, for the command line, the frontend and your scripts.

    with Client("http://127.0.0.1:8000") as client:
        client.upload([Path("cat.jpg")], tags=["holiday"])
        for hit in client.search("a cat on a sofa").results:
            print(hit.score, hit.metadata.file_name, client.absolute(hit.url))

Every method raises the errors of viewfinder/errors.py, made again from the problem the gateway
sent; `ServiceUnavailable` when it cannot be reached. A client may be shared among threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Unpack
from uuid import UUID

import httpx

from viewfinder import api_models as api
from viewfinder.api_descriptions import DescriptionText
from viewfinder.client_answers import (
    Content as Content,
)
from viewfinder.client_answers import (
    error_of,
    problem_of,
    raise_problem,
    read_answer,
    read_content,
    server_sent_events,
)
from viewfinder.client_descriptions import Descriptions
from viewfinder.client_operations import Operations
from viewfinder.client_questions import ANSWER_TIMEOUT_S, Questions
from viewfinder.client_search import (
    SearchOptions,
    TextSearchOptions,
    as_form,
    as_json,
    as_parameters,
    asks_a_model,
)
from viewfinder.errors import DeadlineExceeded, ServiceUnavailable

UPLOAD_TIMEOUT_S = 120.0
"""Between two signs of life while files are sent and stored."""
GIVE_UP_AFTER_S = 30.0
"""How long `watch_job` tries to reach a gateway that went away."""

_SILENCE_S = 45.0  # the gateway sends a heartbeat every 10 s on an event stream
_RECONNECT_S = 0.5
_TOO_MANY = 429
_SERVER_ERRORS = 500


@dataclass(frozen=True)
class FileToUpload:
    """One file of an upload. `file_path` is where you have it; it is only ever shown."""

    source: Path | bytes | IO[bytes]
    file_name: str = ""
    file_path: str = ""

    @property
    def shown_name(self) -> str:
        """The name it gets: the one given, else the one of its file."""
        if self.file_name:
            return self.file_name
        return self.source.name if isinstance(self.source, Path) else "picture"


class Client(Operations, Questions, Descriptions):
    """A connection to one gateway.

    `timeout_s` bounds each wait for an answer; uploads and job events have their own.
    """

    # --- pictures ---

    def upload(
        self,
        files: Sequence[Path | FileToUpload],
        *,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        job_id: str | None = None,
        password: str = "",
        describe: bool = False,
    ) -> api.UploadAccepted:
        """Send pictures and PDFs, read from disk in pieces. Tags and metadata go to all of them;
        `password` opens those that are encrypted; `describe`: the vision model describes them.

        A file that is refused is in `rejected` with its reason and never raises here (see
        `upload_one`); what raises concerns the request as a whole.

        Raises:
            OSError: a file cannot be read.
            VisionModelDisabled: there is none that could describe them.
            ViewfinderError: nothing was accepted, for a reason that is not the files'.
        """
        fields: list[tuple[str, Any]] = []
        if tags:
            fields.append(("tags", (None, json.dumps(list(tags)))))
        if metadata is not None:
            fields.append(("metadata", (None, json.dumps(dict(metadata)))))
        if job_id is not None:
            fields.append(("job_id", (None, job_id)))
        if password:
            fields.append(("password", (None, password)))
        if describe:
            fields.append(("describe", (None, "true")))
        with ExitStack() as stack:
            for file in files:
                sent = file if isinstance(file, FileToUpload) else FileToUpload(file)
                if sent.file_path:
                    fields.append(("file_path", (None, sent.file_path)))
                content = (
                    stack.enter_context(sent.source.open("rb"))
                    if isinstance(sent.source, Path)
                    else sent.source
                )
                fields.append(("files", (sent.shown_name, content, "application/octet-stream")))
            response = self._request("POST", "/images", files=fields, timeout=UPLOAD_TIMEOUT_S)
        problem = problem_of(response)
        if problem is None:
            return read_answer(response, api.UploadAccepted)
        if problem.rejected and problem.status < _SERVER_ERRORS and problem.status != _TOO_MANY:
            return api.UploadAccepted(images=[], rejected=problem.rejected, job_id=job_id or "")
        raise error_of(problem)

    def upload_one(
        self,
        file: Path | FileToUpload,
        *,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        job_id: str | None = None,
        password: str = "",
        describe: bool = False,
    ) -> api.UploadAccepted:
        """Send one file.

        Raises:
            ViewfinderError: it was refused, such as UnsupportedMediaType or PasswordRequired.
        """
        accepted = self.upload(
            [file],
            tags=tags,
            metadata=metadata,
            job_id=job_id,
            password=password,
            describe=describe,
        )
        if accepted.rejected:
            raise error_of(accepted.rejected[0].error)
        return accepted

    def lookup(self, ids: Iterable[UUID | str]) -> api.LookupResponse:
        """Which of these ids are known, and their states; any number of ids."""
        wanted = [str(image_id) for image_id in ids]
        known: list[api.KnownImage] = []
        for start in range(0, len(wanted), api.MAX_LOOKUP_IDS):
            part = wanted[start : start + api.MAX_LOOKUP_IDS]
            answer = self._call("POST", "/images/lookup", api.LookupResponse, json={"ids": part})
            known += answer.images
        return api.LookupResponse(images=known)

    def images(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        state: str | Sequence[str] | None = None,
        tag: str | Sequence[str] | None = None,
        document: UUID | str | None = None,
    ) -> api.ImageList:
        """Some pictures and documents, newest first, or pages of one document, in their order: in
        any of these states, with all of these tags."""
        parameters: list[tuple[str, str | int]] = [("limit", limit)]
        if document is not None:
            parameters.append(("document", str(document)))
        if cursor:
            parameters.append(("cursor", cursor))
        parameters += [("state", value) for value in _several(state)]
        parameters += [("tag", value) for value in _several(tag)]
        return self._call("GET", "/images", api.ImageList, params=parameters)

    def image(self, image_id: UUID | str) -> api.ImageRecord:
        """One record.

        Raises:
            ImageNotFound: there is none.
        """
        return self._call("GET", f"/images/{image_id}", api.ImageRecord)

    def pages(self, document_id: UUID | str) -> Iterator[api.ImageRecord]:
        """All pages of a document, the first one first."""
        cursor: str | None = None
        while True:
            some = self.images(limit=api.MAX_LIST_LIMIT, cursor=cursor, document=document_id)
            yield from some.images
            cursor = some.next_cursor
            if cursor is None:
                return

    def text(self, image_id: UUID | str) -> api.PictureText:
        """The words that stand in a picture or on a page, with their places.

        Raises:
            ImageNotFound: there is none.
            InvalidRequest: it is a document; ask for its `pages`.
        """
        return self._call("GET", f"/images/{image_id}/text", api.PictureText)

    def content(
        self,
        image_id: UUID | str,
        *,
        width: int | None = None,
        format: api.RenditionFormat | None = None,  # noqa: A002 - as in the address
    ) -> Content:
        """The original; with a width or a format, a rendition at most so wide. A page is always
        a picture.

        Raises:
            ImageNotFound: there is none.
            InvalidRequest: not one of the widths that are offered.
        """
        wanted: dict[str, str | int] = {}
        if width is not None:
            wanted["width"] = width
        if format is not None:
            wanted["format"] = format
        return self._content(f"/images/{image_id}/content", wanted)

    def heatmap(
        self,
        image_id: UUID | str,
        query: str,
        *,
        width: int = 1024,
        format: api.RenditionFormat = "webp",  # noqa: A002 - as in the address
        show: api.HeatmapShow = "auto",
    ) -> Content:
        """The picture with what `query` finds in it drawn on it, at most so wide.

        `show`: "map" where the encoder sees it, "words" the words of it that stand there, "auto"
        both, but on a page that has such words only these.

        Raises:
            ImageNotFound: there is none.
            NotExplainable: the encoder cannot say where it sees something.
            NothingToShow: "words", and none of them stands there.
        """
        wanted = {"query": query, "width": str(width), "format": format, "show": show}
        return self._content(f"/images/{image_id}/heatmap", wanted)

    def _content(self, path: str, wanted: Mapping[str, Any]) -> Content:
        return read_content(self._request("GET", path, params=dict(wanted)))

    def update(
        self,
        image_id: UUID | str,
        *,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        description: DescriptionText | Literal["kept"] | None = "kept",
    ) -> api.ImageRecord:
        """Replace what is given; the index follows within moments. `description` None takes the
        one there is away."""
        change: dict[str, Any] = {}
        if tags is not None:
            change["tags"] = list(tags)
        if metadata is not None:
            change["metadata"] = dict(metadata)
        if description != "kept":
            change["description"] = description and description.model_dump()
        return self._call("PATCH", f"/images/{image_id}", api.ImageRecord, json=change)

    def delete(self, image_id: UUID | str) -> None:
        """Remove a picture, or a document with its pages, everywhere.

        Raises:
            ImageNotFound: there is none.
            PageOfDocument: a page goes with its document only.
        """
        raise_problem(self._request("DELETE", f"/images/{image_id}"))

    # --- search ---

    def search(self, query: str, **options: Unpack[TextSearchOptions]) -> api.SearchResponse:
        """The pictures that `query` describes, best first; see TextSearchOptions.

        Raises:
            UnknownFilterKey: a filter on something that is not indexed.
            NotCalibrated: a `min_relevance`, and the encoder has no calibration.
            ImageNotFound, ImageNotIndexed: an example that is not there.
        """
        timeout = ANSWER_TIMEOUT_S if asks_a_model(options) else httpx.USE_CLIENT_DEFAULT
        request = {"query": query, "mode": "auto", **as_json(options)}
        return self._call("POST", "/search", api.SearchResponse, json=request, timeout=timeout)

    def search_by_image(
        self,
        file: Path | bytes,
        *,
        file_name: str = "",
        query: str | None = None,
        query_weight: float = 1.0,
        **options: Unpack[SearchOptions],
    ) -> api.SearchResponse:
        """The pictures most like this one, which is not stored, and that `query` describes.

        Raises:
            OSError: the file cannot be read.
            BrokenImage, UnsupportedMediaType, FileTooLarge: it is no picture we can read.
        """
        data = file.read_bytes() if isinstance(file, Path) else file
        name = file_name or (file.name if isinstance(file, Path) else "picture")
        words = {} if query is None else {"query": query, "query_weight": query_weight}
        return self._call(
            "POST",
            "/search/image",
            api.SearchResponse,
            data=as_form({**options, **words}),
            files={"file": (name, data, "application/octet-stream")},
        )

    def similar(self, image_id: UUID | str, **options: Unpack[SearchOptions]) -> api.SearchResponse:
        """The pictures most like one that is here; itself left out.

        Raises:
            ImageNotFound, ImageNotIndexed: there is none, or it has no vector yet.
        """
        parameters = as_parameters(options)
        path = f"/images/{image_id}/similar"
        return self._call("GET", path, api.SearchResponse, params=parameters)

    # --- jobs ---

    def job(self, job_id: str) -> api.Job:
        """How far an upload has come.

        Raises:
            JobNotFound: there is none.
        """
        return self._call("GET", f"/jobs/{job_id}", api.Job)

    def watch_job(
        self, job_id: str, *, give_up_after_s: float = GIVE_UP_AFTER_S
    ) -> Iterator[api.Job]:
        """The job now, and again after every change, until it is done.

        Reconnects when the connection is lost.

        Raises:
            JobNotFound: there is none.
            ServiceUnavailable: the gateway was away for `give_up_after_s`.
        """
        last_sign = time.monotonic()
        while True:
            try:
                for job in self._job_events(job_id):
                    last_sign = time.monotonic()
                    yield job
                    if job.done:
                        return
            except (ServiceUnavailable, DeadlineExceeded):
                if time.monotonic() - last_sign > give_up_after_s:
                    raise
            time.sleep(_RECONNECT_S)

    def _job_events(self, job_id: str) -> Iterator[api.Job]:
        timeout = httpx.Timeout(_SILENCE_S, connect=5.0)
        try:
            with self._http.stream("GET", f"/jobs/{job_id}/events", timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise_problem(response)
                for event, data in server_sent_events(response.iter_lines()):
                    if event == "job":
                        yield api.Job.model_validate_json(data)
                    elif event == "problem":
                        raise error_of(api.Problem.model_validate_json(data))
        except httpx.TransportError as error:
            raise self._away(error) from error


def _several(value: str | Sequence[str] | None) -> Sequence[str]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
