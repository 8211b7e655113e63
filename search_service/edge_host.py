"""A shard in a process of its own: the engine holds the GIL in every call, opening a large shard
takes seconds and building its graph minutes, and none of it may stop the service.

`python -m search_service.edge_host serve FD FOLDER OPTIONS` answers calls on a socket it inherits,
`... build FOLDER OPTIONS` builds the graph and ends. Both die with the process that started them.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from search_service.durable_file import sync_log
from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.filters import Condition
from search_service.vector_index import (
    FacetCount,
    IndexFault,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    IndexUnusable,
    Payload,
    ScoredPoint,
    Vector,
    Vectors,
)
from viewfinder.errors import StorageFull, ViewfinderError

_PR_SET_PDEATHSIG = 1
_CLOSE_TIMEOUT_S = 30


class HostedShard:
    """An EdgeShard with the same calls, elsewhere. A host that dies is started again.

    Raises:
        IndexUnusable: the shard cannot be opened.
    """

    def __init__(self, folder: Path, options: EngineOptions) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Any = None
        self._start()
        self._dim: int | None
        self._multi: bool
        self._dim, self._multi = self._call("shape")

    @property
    def folder(self) -> Path:
        """Where the shard lies."""
        return self._folder

    @property
    def dim(self) -> int | None:
        """Length of the vectors."""
        return self._dim

    @property
    def multi(self) -> bool:
        """Whether it is for matrices of vectors."""
        return self._multi

    @property
    def process_id(self) -> int:
        """Of the host; 0 once closed."""
        return 0 if self._process is None else self._process.pid

    def upsert(self, points: Sequence[IndexPoint], vectors: Vectors) -> None:
        """See EdgeShard, as for all of these."""
        self._call("upsert", points, vectors)

    def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """How many were there."""
        return int(self._call("set_payload", points))

    def delete(self, ids: Sequence[UUID]) -> None:
        """Unknown ids are passed over."""
        self._call("delete", ids)

    def sync(self) -> None:
        """The files are the same, whoever writes them."""
        sync_log(self._folder)

    def flush(self) -> None:
        """Write everything to the segments."""
        self._call("flush")

    def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """Best first."""
        return _unpacked(*self._call("search", query))

    def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those that are there."""
        records: list[IndexRecord] = self._call("retrieve", ids)
        return records

    def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those that are there."""
        payloads: dict[UUID, Payload] = self._call("payloads", ids)
        return payloads

    def facet(self, key: str, conditions: Sequence[Condition], limit: int) -> list[FacetCount]:
        """The most frequent values."""
        counts: list[FacetCount] = self._call("facet", key, conditions, limit)
        return counts

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions."""
        return int(self._call("count", conditions))

    def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id."""
        page: tuple[list[IndexRecord], UUID | None] = self._call("scroll", after, limit)
        return page

    def close(self) -> None:
        """Write everything down and end the host."""
        if self._process is None:
            return
        try:
            with suppress(IndexFault):
                self._ask("close")
            self._process.wait(_CLOSE_TIMEOUT_S)
        except (EOFError, OSError, subprocess.TimeoutExpired):
            pass
        finally:
            self._end()

    def _call(self, name: str, *arguments: Any) -> Any:
        """Every call may be repeated, so one that met a dying host is."""
        try:
            return self._ask(name, *arguments)
        except (EOFError, OSError):
            self._end()
            self._start()
        try:
            return self._ask(name, *arguments)
        except (EOFError, OSError) as error:
            self._end()
            raise IndexFault(f"the process of {self._folder} died twice in `{name}`") from error

    def _ask(self, name: str, *arguments: Any) -> Any:
        if self._connection is None:
            self._start()
        self._connection.send((name, arguments))
        succeeded, result = self._connection.recv()
        if succeeded:
            return result
        raise _error_of(*result)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *_PROGRAM,
                    "serve",
                    str(theirs.fileno()),
                    *_arguments(self._folder, self._options),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_LARGE_PAGES | os.environ,
            )
        self._connection = Connection(ours.detach())
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, OSError):
            succeeded, result = False, ("IndexUnusable", f"{self._folder} cannot be opened")
        if not succeeded:
            self._end()
            raise _error_of(*result)

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def build_command(folder: Path, options: EngineOptions) -> list[str]:
    """The program that builds the graph of a shard that nobody has open."""
    return [*_PROGRAM, "build", *_arguments(folder, options)]


# int8 vectors are read here and there: with pages of 2 MB a search of a million is a sixth sooner.
_LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
_PROGRAM = (sys.executable, "-P", "-m", "search_service.edge_host")


def _arguments(folder: Path, options: EngineOptions) -> list[str]:
    return [str(folder), json.dumps(asdict(options)), str(os.getpid())]


def _serve(connection: Any, folder: Path, options: EngineOptions) -> None:
    try:
        shard = EdgeShard(folder, options)
    except (IndexUnusable, ViewfinderError) as error:
        connection.send((False, _described(error)))
        return
    connection.send((True, None))
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:  # the service is gone
            name, arguments = "close", ()
        try:
            answer = (True, _answer(shard, name, arguments))
        except (IndexFault, ViewfinderError) as error:
            answer = (False, _described(error))
        with suppress(BrokenPipeError):
            connection.send(answer)
        if name == "close":
            return


def _answer(shard: EdgeShard, name: str, arguments: tuple[Any, ...]) -> Any:
    if name == "shape":
        return shard.dim, shard.multi
    answer = getattr(shard, name)(*arguments)
    return _packed(answer) if name == "search" else answer


_Columns: TypeAlias = tuple[
    list[int], list[float], list[Payload], list[Vector | None], list[tuple[int, ...]]
]


def _packed(hits: Sequence[ScoredPoint]) -> _Columns:
    """A hundred hits as columns cross in a third of the time."""
    return (
        [hit.id.int for hit in hits],
        [hit.score for hit in hits],
        [hit.payload for hit in hits],
        [hit.vector for hit in hits],
        [hit.matched for hit in hits],
    )


def _unpacked(
    ids: list[int],
    scores: list[float],
    payloads: list[Payload],
    vectors: list[Vector | None],
    matched: list[tuple[int, ...]],
) -> list[ScoredPoint]:
    uuids = [UUID(int=number) for number in ids]
    return list(map(ScoredPoint, uuids, scores, payloads, vectors, matched))


def _described(error: Exception) -> tuple[str, Any]:
    if isinstance(error, StorageFull):
        return "StorageFull", (error.where, error.reason)
    return type(error).__name__, str(error)


def _error_of(kind: str, what: Any) -> Exception:
    if kind == "StorageFull":
        return StorageFull(*what)
    return IndexUnusable(what) if kind == "IndexUnusable" else IndexFault(what)


def _die_with(parent: int) -> None:
    """Where the kernel can: a host that is left alone would keep the shard from its successor."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """See the module."""
    task, *rest = sys.argv[1:]
    descriptor = int(rest.pop(0)) if task == "serve" else -1
    folder, options = Path(rest[0]), EngineOptions(**json.loads(rest[1]))
    _die_with(int(rest[2]))
    if task == "serve":
        _serve(Connection(descriptor), folder, options)
        return 0
    os.nice(10)  # searches come first
    try:
        shard = EdgeShard(folder, options, for_building=True)
        shard.optimize()
        shard.close()
    except (IndexUnusable, IndexFault, ViewfinderError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
