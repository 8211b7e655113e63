"""Reads pictures one after the other in a child (child.py), which lives while it is needed."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from embedding_service.ocr.limits import ReaderLimits
from viewfinder.errors import (
    BrokenImage,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    ServiceUnavailable,
)
from viewfinder.pictures import ReadWord

log = structlog.get_logger()

MAX_SIDE = 4096
_SERVICE = "the reader of texts"
_RECIPE = 1  # to be raised when the same models are used in another way: all is read again then
_PROGRAM = ("-m", "embedding_service.ocr.child")
_START_S = 60.0
_START_AGAIN_S = 30.0  # after a start that failed
_STOP_S = 2.0
_RETRY_AFTER_S = 5
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TMPDIR")


def reader_name() -> str:
    """What reads, with its version; empty where it is not installed."""
    try:
        return f"rapidocr {version('rapidocr')} PP-OCRv6-small r{_RECIPE}"
    except PackageNotFoundError:
        return ""


class PictureReader:
    """One child, started when a picture comes, ended when none came for `idle_s` seconds.

    More than `max_waiting` callers at a time are refused with Overloaded.
    """

    def __init__(
        self,
        limits: ReaderLimits,
        idle_s: float,
        max_waiting: int = 16,
        name: str | None = None,
        program: Sequence[str] = _PROGRAM,
    ) -> None:
        """`program`: what Python is started with; a descriptor and the limits follow it."""
        self.name = reader_name() if name is None else name
        self._idle_s = idle_s
        self._max_waiting = max_waiting
        self._waiting = 0
        self._child = _Child(limits, program)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        self._idle: asyncio.TimerHandle | None = None

    @property
    def process_id(self) -> int | None:
        """The child, while there is one."""
        return self._child.process_id

    async def read(self, pixels: NDArray[np.uint8], timeout_s: float | None) -> list[ReadWord]:
        """The words in RGB uint8 [height, width, 3], in reading order.

        Raises:
            InvalidRequest: a side of more than 4,096 pixels, or of none.
            Overloaded: too many wait already, or its time was over before all was read: asked
                again, it goes on from there.
            DeadlineExceeded: `timeout_s` was over before it was this picture's turn.
            ServiceUnavailable: the child does not start, or this is being closed.
            BrokenImage: it takes too long or too much memory, or makes the reader crash.
        """
        if pixels.ndim != 3 or not all(1 <= side <= MAX_SIDE for side in pixels.shape[:2]):
            raise InvalidRequest("pixels", str(pixels.shape), f"sides of 1..{MAX_SIDE} pixels")
        if self._waiting >= self._max_waiting:
            raise Overloaded(what=_SERVICE, retry_after_s=_RETRY_AFTER_S)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._read, pixels, deadline
            )
        finally:
            self._waiting -= 1
            self._end_when_idle()

    async def close(self) -> None:
        """End the child; whoever waits gets an error."""
        if self._idle is not None:
            self._idle.cancel()
        self._child.close()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._child.stop()

    def _read(self, pixels: NDArray[np.uint8], deadline: float | None) -> list[ReadWord]:
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlineExceeded(service="embedding_service")
        return self._child.read(pixels)

    def _end_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._end_child)

    def _end_child(self) -> None:
        if not self._waiting:
            with suppress(RuntimeError):  # closed meanwhile
                self._thread.submit(self._child.stop)


class _Child:
    """One process after the other. Used by one thread at a time, but for `close`."""

    def __init__(self, limits: ReaderLimits, program: Sequence[str]) -> None:
        self._limits = limits
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Any = None
        self._may_start_at = 0.0

    @property
    def process_id(self) -> int | None:
        process = self._process
        return None if process is None else process.pid

    def read(self, pixels: NDArray[np.uint8]) -> list[ReadWord]:
        try:
            answer = self._ask_twice(pixels)
        except _TooSlowError:
            raise _broken(f"reading it takes longer than {self._limits.timeout_s:g} s") from None
        except _ChildDiedError:
            raise _broken("it makes the reader of texts crash") from None
        if "unfinished" in answer:
            raise Overloaded(what=_SERVICE, retry_after_s=1)
        if "problem" in answer:
            raise _broken(str(answer["problem"]))
        return [ReadWord(*word) for word in answer["words"]]

    def close(self) -> None:
        """From another thread: no more starts; whoever waits is told."""
        self._may_start_at = float("inf")
        self._kill()

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> int:
        """End it; its exit status (negative: the signal that ended it)."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return 0
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_STOP_S)
        process.kill()
        return process.wait()

    def _ask_twice(self, pixels: NDArray[np.uint8]) -> dict[str, Any]:
        """A child may also be killed from outside, which is not the picture's fault."""
        try:
            return self._ask(pixels)
        except _ChildDiedError as died:
            log.warning("the reader of texts died", exit_status=died.exit_status)
            return self._ask(pixels)

    def _ask(self, pixels: NDArray[np.uint8]) -> dict[str, Any]:
        if self._connection is None:
            self._start()
        try:
            self._connection.send_bytes(json.dumps(pixels.shape[:2]).encode())
            self._connection.send_bytes(np.ascontiguousarray(pixels).data.cast("B"))
            if not self._connection.poll(self._limits.timeout_s):
                self._kill()
                self.stop()
                raise _TooSlowError
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (OSError, EOFError):
            raise _ChildDiedError(self.stop()) from None
        return answer

    def _start(self) -> None:
        if time.monotonic() < self._may_start_at:
            raise ServiceUnavailable(service=_SERVICE, reason="it could not be started")
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            arguments = [*self._program, str(number), json.dumps(asdict(self._limits))]
            self._process = subprocess.Popen(
                [sys.executable, "-P", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(number,),
                env=_environment(),
                process_group=0,  # a Ctrl-C is for us; the child ends when the socket closes
            )
        self._connection = Connection(ours.detach())
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        try:
            is_ready = self._connection.poll(_START_S)
            if is_ready:
                self._connection.recv_bytes()
                return
        except (OSError, EOFError):
            pass
        self._kill()
        exit_status = self.stop()
        log.error("the reader of texts does not start", exit_status=exit_status)
        self._may_start_at = max(self._may_start_at, time.monotonic() + _START_AGAIN_S)
        raise ServiceUnavailable(service=_SERVICE, reason="it cannot be started")


def _environment() -> dict[str, str]:
    kept = {key: os.environ[key] for key in _KEPT_ENVIRONMENT if key in os.environ}
    # One thread is asked for explicitly, but OpenCV and OpenMP start theirs at import.
    return {**kept, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


def _broken(reason: str) -> BrokenImage:
    return BrokenImage(file_name="picture", reason=reason)


class _ChildDiedError(Exception):
    def __init__(self, exit_status: int) -> None:
        super().__init__(exit_status)
        self.exit_status = exit_status


class _TooSlowError(Exception):
    pass
