"""The embedded index for asyncio: Qdrant Edge, with a graph that is built while searches go on.

The engine blocks, so all its calls queue for one thread: the event loop goes on between two calls.
A second thread syncs the log, and writes that arrive while it does share the next sync.

A shard is searched exactly until `build_above` points came that no graph leads to. Then it is
copied (writes wait for that, searches do not), a child process builds the graph of the copy, and
what was written meanwhile is brought over; one durable pointer moves, and the old generation goes.
A crash before that leaves the old generation as it is, and a copy that the next start removes.
Shards with a graph run in a process of their own, see edge_host.py.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import UUID

import structlog

from search_service.edge_generations import (
    Generation,
    copy_shard,
    move_old_layout,
    read_generation,
    remove_folder,
    write_generation,
)
from search_service.edge_host import HostedShard, build_command
from search_service.edge_shard import EdgeShard
from search_service.engine_options import EngineOptions
from search_service.filters import Condition
from search_service.late import POOLED_ROWS
from search_service.vector_index import (
    FacetCount,
    IndexFault,
    IndexInfo,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    IndexUnusable,
    Payload,
    ScoredPoint,
    Vectors,
)
from viewfinder.errors import ViewfinderError

T = TypeVar("T")
Shard: TypeAlias = EdgeShard | HostedShard

log = structlog.get_logger()

_CATCH_UP_POINTS = 256
_CATCH_UP_PAGES = 16  # a page has the vectors of hundreds of pictures
_TAIL_SHARE = 0.1
_CHECKS = 20
_RETRY_AFTER_S = 600.0
_LOCK_PATIENCE_S = 5.0


class EdgeIndex:
    """A VectorIndex in a folder of its own, which one process at a time may open.

    `build_above`: more points than this that no graph leads to start a build.

    Raises:
        IndexUnusable: the folder is in use, damaged, or not an index.
    """

    def __init__(
        self, folder: Path, options: EngineOptions | None = None, build_above: int = 100_000
    ) -> None:
        self._folder = folder
        self._options = options or EngineOptions()
        self._build_above = build_above
        move_old_layout(folder)
        self._generation = read_generation(folder)
        self._remove_leftovers()
        self._shard = self._open()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._sync_thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._build_thread = ThreadPoolExecutor(1, thread_name_prefix="build")
        self._writing = asyncio.Lock()
        self._running_sync: asyncio.Task[None] | None = None
        self._next_sync: asyncio.Task[None] | None = None
        self._build: asyncio.Task[None] | None = None
        self._build_began = 0.0
        self._build_again_after = 0.0
        self._rewritten = 0  # points that were there and moved out of the graph since it was built
        self._closed = False
        self._uncounted = 0  # points upserted since the last look whether to build
        self._touched: set[UUID] | None = None  # written while a build runs

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None as long as `create` was never called."""
        return self._shard.dim

    def holds_points(self) -> bool:
        """Whether there is anything in it. Blocking: for opening, before anything is asked."""
        return self._shard.count() > 0

    async def create(self, dim: int, *, multi: bool = False) -> None:
        """Make an empty index for vectors of this length; what was there is lost."""
        await self._cancel_build()
        async with self._writing:
            await self._on_thread(self._create, dim, multi)

    async def upsert(self, points: Sequence[IndexPoint], vectors: Vectors) -> None:
        """Insert or replace; vectors[i] belongs to points[i]."""
        ids = [point.id for point in points]
        await self._write(ids, lambda: self._shard.upsert(points, vectors))
        self._uncounted += len(ids)
        if self._uncounted >= self._build_at // _CHECKS:
            await self._build_if_worth_it(await self.count())

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace payload and words of those that exist; how many did."""
        ids = [point.id for point in points]
        changed = await self._write(ids, lambda: self._shard.set_payload(points))
        self._rewritten += changed
        return changed

    async def delete(self, ids: Sequence[UUID]) -> None:
        """Remove; unknown ids are passed over."""
        await self._write(ids, lambda: self._shard.delete(ids))

    async def search(self, query: IndexQuery) -> list[ScoredPoint]:
        """The nearest that meet all conditions, best first."""
        return await self._on_thread(lambda: self._shard.search(query))

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there, in any order."""
        return await self._on_thread(lambda: self._shard.retrieve(ids))

    async def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those of the ids that are there."""
        return await self._on_thread(lambda: self._shard.payloads(ids))

    async def facet(
        self, key: str, conditions: Sequence[Condition], limit: int
    ) -> list[FacetCount]:
        """The most frequent values of an indexed payload key; exact."""
        return await self._on_thread(lambda: self._shard.facet(key, conditions, limit))

    async def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many points meet the conditions; exact."""
        return await self._on_thread(lambda: self._shard.count(conditions))

    async def scroll(self, after: UUID | None, limit: int) -> tuple[list[IndexRecord], UUID | None]:
        """Records by ascending id, and where to go on; None at the end."""
        return await self._on_thread(lambda: self._shard.scroll(after, limit))

    async def info(self) -> IndexInfo:
        """The state of the index."""
        points = await self.count()
        await self._build_if_worth_it(points)
        building = ""
        if self._build is not None:
            took_s = round(time.monotonic() - self._build_began)
            building = f"a graph is being built, for {took_s} s so far"
        return IndexInfo(points, indexed=self._generation.built > 0, building=building)

    async def build(self) -> None:
        """Build a graph that leads to all points; returns when it answers.

        Raises:
            IndexFault, StorageFull: it could not be built; all is as before.
        """
        await asyncio.shield(self._build or self._start_build())

    async def close(self) -> None:
        """Give up a build, finish what is queued, write everything down and let go."""
        if self._closed:
            return
        self._closed = True
        await self._cancel_build()
        await self._on_thread(self._shard.close)
        for thread in (self._build_thread, self._sync_thread, self._thread):
            thread.shutdown()

    # --- opening ---

    def _open(self) -> Shard:
        folder = self._folder_of(self._generation.number)
        until = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            try:
                if self._generation.built:
                    return HostedShard(folder, self._options)
                return EdgeShard(folder, self._options)
            except IndexUnusable as error:
                # The host of a killed service lives some milliseconds longer than it.
                if "in use by" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _create(self, dim: int, multi: bool) -> None:
        self._shard.close()
        old = self._generation.number
        self._generation = Generation(old + 1)
        shard = EdgeShard(self._folder_of(old + 1), self._options)
        shard.create(dim, multi=multi)
        write_generation(self._folder, self._generation)
        self._shard = shard
        self._rewritten = 0
        shutil.rmtree(self._folder_of(old), ignore_errors=True)

    def _folder_of(self, generation: int) -> Path:
        return self._folder / str(generation)

    def _remove_leftovers(self) -> None:
        if self._folder.exists():
            for path in self._folder.iterdir():
                if path.is_dir() and path.name != str(self._generation.number):
                    shutil.rmtree(path, ignore_errors=True)

    # --- writing ---

    async def _write(self, ids: Sequence[UUID], apply: Callable[[], T]) -> T:
        async with self._writing:
            if self._touched is not None:
                self._touched.update(ids)
            result = await self._on_thread(apply)
        await self._synced()
        return result

    async def _synced(self) -> None:
        """Wait for a sync that begins from now on; all who wait meanwhile share it."""
        if self._next_sync is None:
            self._next_sync = asyncio.create_task(self._sync_after(self._running_sync))
        await asyncio.shield(self._next_sync)

    async def _sync_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running_sync, self._next_sync = self._next_sync, None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._sync_thread, self._shard.sync)

    async def _on_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    async def _on_build_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._build_thread, call, *args)

    # --- building ---

    async def _build_if_worth_it(self, points: int) -> None:
        self._uncounted = 0
        if self._build is not None or time.monotonic() < self._build_again_after:
            return
        built = self._generation.built
        tail = points - built + self._rewritten
        enough = max(self._build_at / 4, built * _TAIL_SHARE) if built else self._build_at
        if tail >= enough:
            self._start_build()

    @property
    def _build_at(self) -> int:
        return self._build_above // (POOLED_ROWS if self._shard.multi else 1)

    @property
    def _at_once(self) -> int:
        return _CATCH_UP_PAGES if self._shard.multi else _CATCH_UP_POINTS

    def _start_build(self) -> asyncio.Task[None]:
        self._build_began = time.monotonic()
        self._build = asyncio.create_task(self._build_next())
        self._build.add_done_callback(self._build_ended)
        return self._build

    def _build_ended(self, build: asyncio.Task[None]) -> None:
        self._build = None
        error = None if build.cancelled() else build.exception()
        if error is not None:
            self._build_again_after = time.monotonic() + _RETRY_AFTER_S
            log.warning("the graph was not built; searches stay exact", reason=str(error))

    async def _cancel_build(self) -> None:
        if self._build is not None:
            self._build.cancel()
            await asyncio.wait([self._build])

    async def _build_next(self) -> None:
        number = self._generation.number + 1
        folder = self._folder_of(number)
        next_shard: Shard | None = None
        try:
            async with self._writing:
                self._touched = set()
                points = await self._on_thread(self._shard.count)
                await self._on_thread(self._shard.flush)
                await self._on_build_thread(copy_shard, self._shard.folder, folder)
            log.info("building the graph", points=points)
            await _run_builder(folder, self._options)
            next_shard = await self._on_build_thread(HostedShard, folder, self._options)
            while len(self._touched) > self._at_once:
                await self._bring_over(next_shard)
            async with self._writing:
                while self._touched:
                    await self._bring_over(next_shard)
                await self._on_build_thread(next_shard.flush)
                generation = Generation(number, points)
                # Nothing is awaited between the pointer on the disk and the one in memory.
                write_generation(self._folder, generation)
                old, self._shard, next_shard = self._shard, next_shard, None
                self._generation = generation
                self._rewritten = 0
                self._touched = None
            log.info("the graph answers", points=points, took_s=round(self._took_s(), 1))
            await asyncio.shield(self._on_thread(_remove, old))
        finally:
            self._touched = None
            if next_shard is not None:
                await asyncio.shield(self._on_build_thread(next_shard.close))
            if self._generation.number != number:
                await asyncio.shield(self._on_build_thread(remove_folder, folder))

    async def _bring_over(self, target: Shard) -> None:
        """Some of the points written meanwhile, as they are now."""
        assert self._touched is not None
        ids = [self._touched.pop() for _ in range(min(self._at_once, len(self._touched)))]
        try:
            records = await self.retrieve(ids)
            there = {record.id for record in records}
            await self._on_build_thread(_put, target, records, [i for i in ids if i not in there])
        except BaseException:
            self._touched.update(ids)
            raise

    def _took_s(self) -> float:
        return time.monotonic() - self._build_began


async def _run_builder(folder: Path, options: EngineOptions) -> None:
    process = await asyncio.create_subprocess_exec(
        *build_command(folder, options),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise IndexFault(f"the builder ended with {process.returncode}: {last[-300:]}")


def _put(target: Shard, records: Sequence[IndexRecord], gone: Sequence[UUID]) -> None:
    if records:
        points = [IndexPoint(record.id, record.payload, record.words) for record in records]
        target.upsert(points, [record.vector for record in records])
    if gone:
        target.delete(gone)


def _remove(shard: Shard) -> None:
    try:
        shard.close()
    except (IndexFault, ViewfinderError) as error:
        log.info("an old generation did not close", reason=str(error))
    remove_folder(shard.folder)
