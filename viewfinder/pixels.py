"""The one place where bytes from outside are decoded, in a process that may die.

`PixelPool` keeps long-lived children (pixel_child.py). A picture that kills its child, takes too
long or needs too much memory is a BrokenImage, alone; the next one meets a fresh child.

Children are started with exec, not fork, so that the pool may live beside gRPC and threads; they
import nothing of the starting program and get none of its environment but paths.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import structlog
from numpy.typing import NDArray

from viewfinder.errors import BrokenImage, InternalError, ViewfinderError, rebuild
from viewfinder.picture_formats import PDF_HEAD_BYTES, is_pdf
from viewfinder.pictures import (
    PageSize,
    PdfPage,
    PictureExif,
    PictureInfo,
    PixelLimits,
    PixelSpec,
    ReadWord,
    RenditionFormat,
    Source,
)
from viewfinder.pixel_wire import receive_answer, send_request
from viewfinder.slow_documents import SlowDocuments

__all__ = [
    "PageSize",
    "PdfPage",
    "PictureExif",
    "PictureInfo",
    "PixelLimits",
    "PixelPool",
    "PixelSpec",
    "ReadWord",
    "RenditionFormat",
    "Source",
]

log = structlog.get_logger()

_WALL_FACTOR = 6
# What ends a child by its own doing; SIGABRT is PDFium's way to say that memory is short.
_CRASHES = frozenset(
    -number
    for number in (
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSEGV,
        signal.SIGTRAP,
    )
)
_START_S = 60.0
_STOP_S = 2.0
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR")


class PixelPool:
    """Decodes pictures in `processes` guarded children. Blocking, safe to call from many threads.

    Children start when first needed, or with `warm_up`. Do not use a pool across a fork.
    """

    def __init__(self, processes: int = 1, limits: PixelLimits = PixelLimits()) -> None:  # noqa: B008
        self.limits = limits
        self.processes = processes
        self._slots: queue.LifoQueue[_Slot] = queue.LifoQueue()
        self._all_slots = [_Slot(limits) for _ in range(processes)]
        for slot in self._all_slots:
            self._slots.put(slot)
        self._slow_documents = SlowDocuments()

    def __enter__(self) -> PixelPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_ids(self) -> list[int]:
        """The children that live now."""
        return [slot.process_id for slot in self._all_slots if slot.process_id is not None]

    def inspect(self, source: Path | bytes, file_name: str, password: str = "") -> PictureInfo:
        """What the header says, as a picture or PDF Viewfinder accepts. Pixels are not decoded.

        Raises:
            EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: the file.
            PasswordRequired, WrongPassword, TooManyPages: the PDF.
            OSError: the path cannot be read.
        """
        head, _ = self._ask(source, file_name, {"what": "inspect", "password": password})
        pages = tuple(PageSize(**size) for size in head["pages"])
        return PictureInfo(**{**head, "exif": PictureExif(**head["exif"]), "pages": pages})

    def prepare(self, source: Source, spec: PixelSpec, file_name: str = "") -> NDArray[np.uint8]:
        """The first frame or the page as the encoder wants it: RGB uint8 [size, size, 3].

        Of a spec "within": [height, width, 3].

        Raises:
            EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: the file.
            PasswordRequired, WrongPassword, TooManyPages: the PDF.
            OSError: the path cannot be read.
        """
        head, data = self._ask(source, file_name, {"what": "prepare", "spec": asdict(spec)})
        return np.frombuffer(data, np.uint8).reshape(head["height"], head["width"], 3)

    def pixels(
        self, source: Source, max_side: int = 2000, file_name: str = ""
    ) -> NDArray[np.uint8]:
        """All of it: RGB uint8 [height, width, 3], no side longer than `max_side`.

        Never enlarged, a page never beyond 150 dpi.

        Raises:
            EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: the file.
            PasswordRequired, WrongPassword, TooManyPages: the PDF.
            OSError: the path cannot be read.
        """
        head, data = self._ask(source, file_name, {"what": "pixels", "max_side": max_side})
        return np.frombuffer(data, np.uint8).reshape(head["height"], head["width"], 3)

    def page_text(self, page: PdfPage, file_name: str = "") -> list[ReadWord]:
        """The words of a page's text layer in reading order; none where there is no such layer.

        Raises:
            BrokenImage, PasswordRequired, WrongPassword, TooManyPages: the PDF.
            OSError: the path cannot be read.
        """
        head, _ = self._ask(page, file_name, {"what": "page_text"})
        return [ReadWord(*word) for word in head["words"]]

    def prepare_many(
        self,
        sources: Sequence[Source],
        spec: PixelSpec,
        file_names: Sequence[str] | None = None,
    ) -> list[NDArray[np.uint8] | ViewfinderError]:
        """One array or one error for each source, in their order; a bad picture fails alone.

        A round trip costs about 0.1 ms, a picture 3 ms and more, so each makes its own.

        Raises:
            OSError: a path cannot be read.
        """
        names = file_names if file_names is not None else [""] * len(sources)

        def prepare_one(source: Source, file_name: str) -> NDArray[np.uint8] | ViewfinderError:
            try:
                return self.prepare(source, spec, file_name)
            except ViewfinderError as error:
                return error

        if self.processes == 1 or len(sources) < 2:
            return [prepare_one(*pair) for pair in zip(sources, names, strict=True)]
        with ThreadPoolExecutor(self.processes) as threads:
            return list(threads.map(prepare_one, sources, names))

    def render(
        self,
        source: Source,
        width: int,
        format: RenditionFormat,  # noqa: A002 - the word of the contract
        file_name: str = "",
    ) -> bytes:
        """The first frame, turned as shown, at most `width` pixels wide and four times as high.

        Never enlarged; transparency lies on white.

        Raises:
            EmptyFile, UnsupportedMediaType, ImageTooLarge, MetadataTooLarge, BrokenImage: the file.
            OSError: the path cannot be read.
        """
        request = {"what": "render", "width": width, "format": format}
        return bytes(self._ask(source, file_name, request)[1])

    def warm_up(self) -> None:
        """Start all children now and wait until they are ready."""
        taken = [self._slots.get() for _ in range(self.processes)]
        try:
            for slot in taken:
                slot.start()
            with tempfile.TemporaryFile() as nothing:
                for slot in taken:
                    slot.ask({"what": "nothing", "file_name": ""}, nothing)
        finally:
            for slot in taken:
                self._slots.put(slot)

    def close(self) -> None:
        """End all children. Work in flight fails with BrokenImage."""
        for slot in self._all_slots:
            slot.stop()

    def _ask(
        self, source: Source, file_name: str, request: dict[str, Any]
    ) -> tuple[dict[str, Any], bytearray]:
        content = source.file if isinstance(source, PdfPage) else source
        if isinstance(source, PdfPage):
            request |= {"page": source.page, "password": source.password}
        # What has a name is asked for again, page by page; the child may keep it open.
        request["keep"] = isinstance(content, Path)
        name = file_name or (content.name if isinstance(content, Path) else "picture")
        request["file_name"] = name
        with _open_source(content) as file:
            if isinstance(source, PdfPage) and self._slow_documents.is_hopeless(file.fileno()):
                reason = "several of its pages take too long, so this one was not tried"
                raise BrokenImage(file_name=name, reason=reason)
            slot = self._slots.get()
            try:
                head, payload = self._ask_twice(slot, request, file)
            except _TooSlowError:
                timeout_s = self.limits.timeout_s
                if is_pdf(os.pread(file.fileno(), PDF_HEAD_BYTES, 0)):
                    timeout_s = self.limits.document_timeout_s
                    self._slow_documents.add(file.fileno())
                reason = f"decoding takes longer than {timeout_s:g} s"
                raise BrokenImage(file_name=name, reason=reason) from None
            except _ChildDiedError as died:
                reason = "it makes the decoder crash"
                if died.exit_status == -signal.SIGABRT:
                    reason += ", probably for want of memory"
                raise BrokenImage(file_name=name, reason=reason) from None
            finally:
                self._slots.put(slot)
        if "error" in head:
            raise rebuild(str(head["error"]), str(head["fields"])) or InternalError()
        return head, payload

    def _ask_twice(
        self, slot: _Slot, request: dict[str, Any], file: BinaryIO
    ) -> tuple[dict[str, Any], bytearray]:
        """A child may also be killed from outside, by the kernel or a person: not the picture's
        fault, so it gets a second chance."""
        try:
            return slot.ask(request, file)
        except _ChildDiedError as died:
            log.warning(
                "decoder died", exit_status=died.exit_status, file_name=request["file_name"]
            )
            if died.exit_status in _CRASHES:
                raise
            return slot.ask(request, file)


def _open_source(source: Path | bytes) -> BinaryIO:
    if isinstance(source, Path):
        return source.open("rb", buffering=0)
    file: BinaryIO
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("picture"), "w+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - the caller closes it
    view = memoryview(source)
    while view:
        view = view[file.write(view) :]
    return file


class _ChildDiedError(Exception):
    def __init__(self, exit_status: int) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status


class _TooSlowError(Exception):
    pass


class _Slot:
    """One child after the other. Used by one thread at a time."""

    def __init__(self, limits: PixelLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._is_ready = False  # it has answered, so starting is over

    @property
    def process_id(self) -> int | None:
        """The child, if it was started and nobody found it dead."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> socket.socket:
        """The connection to the child, which is started where there is none."""
        if self._connection is not None:
            return self._connection
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            arguments = [str(number), json.dumps(asdict(self._limits))]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "viewfinder.pixel_child", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(number,),
                env={key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ},
                process_group=0,  # a Ctrl-C is for us; the child ends when the socket closes
            )
        self._connection = ours
        return ours

    def ask(self, request: dict[str, Any], file: BinaryIO) -> tuple[dict[str, Any], bytearray]:
        connection = self.start()
        wall_s = self._limits.timeout_s * _WALL_FACTOR + (0.0 if self._is_ready else _START_S)
        try:
            connection.settimeout(wall_s)
            send_request(connection, request, file.fileno())
            answer = receive_answer(connection, wall_s)
        except TimeoutError:
            self.stop(at_once=True)
            raise _TooSlowError from None
        except (OSError, EOFError):
            exit_status = self.stop()
            if exit_status == -signal.SIGXCPU:
                raise _TooSlowError from None
            raise _ChildDiedError(exit_status) from None
        self._is_ready = True
        return answer

    def stop(self, at_once: bool = False) -> int:
        """End the child; its exit status (negative: the signal that ended it)."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        self._is_ready = False
        if connection is not None:
            connection.close()
        if process is None:
            return 0
        if not at_once:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_STOP_S)
        process.kill()
        return process.wait()
