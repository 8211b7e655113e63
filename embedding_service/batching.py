"""Dynamic batching: concurrent calls share runs of the model.

A lane that is idle does not wait for company: it takes what is queued, at most `max_batch` rows,
and while the model runs the next batch gathers. After a run that several callers shared it waits
one millisecond for them to come again. Rows are taken from the waiting calls in turn, so a call
of one row is in the next run however many a big call still has.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from embedding_service.encoders.base import FloatArray
from viewfinder.errors import DeadlineExceeded, Overloaded

SERVICE = "embedding_service"
_GATHERING_S = 0.001

Row = TypeVar("Row")


class _Call(Generic[Row]):
    """Rows that one caller waits for."""

    def __init__(self, rows: Sequence[Row], deadline: float | None) -> None:
        self.rows = rows
        self.deadline = deadline
        self.taken = 0
        self.vectors: list[FloatArray | None] = [None] * len(rows)
        self.missing = len(rows)
        self.done: asyncio.Future[list[FloatArray]] = asyncio.get_running_loop().create_future()

    def put(self, position: int, vector: FloatArray) -> None:
        self.vectors[position] = vector
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result([row for row in self.vectors if row is not None])

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def is_over(self) -> bool:
        """Answered, given up by the caller, or too late to be worth anything."""
        if not self.done.done() and self.deadline is not None and time.monotonic() >= self.deadline:
            self.fail(DeadlineExceeded(service=SERVICE))
        return self.done.done()


class BatchingLane(Generic[Row]):
    """One queue and one thread for one kind of rows.

    `run` embeds a batch: n rows to n arrays float32, vectors [dim] or matrices [tokens, dim] of a
    multivector encoder; it is called from the lane's thread only.
    More than `max_waiting` rows in the queue are refused with Overloaded.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[Row]], FloatArray | Sequence[FloatArray]],
        max_batch: int,
        max_waiting: int,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._calls: deque[_Call[Row]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._worker: asyncio.Task[None] | None = None
        self._come_together = False  # the last run was of several callers

    async def embed(self, rows: Sequence[Row], timeout_s: float | None = None) -> list[FloatArray]:
        """What `run` makes of every row, in their order.

        Raises:
            DeadlineExceeded: it was not done within `timeout_s`; rows not begun cost nothing.
            Overloaded: too much is waiting already.
        """
        waiting = sum(len(call.rows) - call.taken for call in self._calls)
        if waiting and waiting + len(rows) > self._max_waiting:
            raise Overloaded(what=SERVICE, retry_after_s=1)
        call = _Call(rows, None if timeout_s is None else time.monotonic() + timeout_s)
        if call.is_over():
            return await call.done
        self._calls.append(call)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await call.done

    async def close(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._worker is not None:
            await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._calls:
            if self._come_together:
                # Callers that got their answers together ask again together: a run of one of them
                # and one of all others would cost them nearly twice the time.
                await asyncio.sleep(_GATHERING_S)
            batch = self._next_batch()
            if not batch:
                break
            self._come_together = len({id(call) for call, _ in batch}) > 1
            await self._embed(batch)

    def _next_batch(self) -> list[tuple[_Call[Row], int]]:
        batch: list[tuple[_Call[Row], int]] = []
        while self._calls and len(batch) < self._max_batch:
            call = self._calls.popleft()
            if call.is_over():
                continue
            batch.append((call, call.taken))
            call.taken += 1
            if call.taken < len(call.rows):
                self._calls.append(call)
        return batch

    async def _embed(self, batch: Sequence[tuple[_Call[Row], int]]) -> None:
        rows = [call.rows[position] for call, position in batch]
        loop = asyncio.get_running_loop()
        try:
            vectors = await loop.run_in_executor(self._thread, self._checked_run, rows)
        except Exception as error:  # noqa: BLE001 - whatever the model raises belongs to the callers
            callers = {id(call): call for call, _ in batch}
            if len(callers) == 1:
                for call in callers.values():
                    call.fail(error)
                return
            # Somebody's row broke the run; nobody else shall pay for it.
            for key in callers:
                await self._embed([(call, row) for call, row in batch if id(call) == key])
            return
        for (call, position), vector in zip(batch, vectors, strict=True):
            call.put(position, vector)

    def _checked_run(self, rows: Sequence[Row]) -> FloatArray | Sequence[FloatArray]:
        vectors = self._run(rows)
        parts = [vectors] if isinstance(vectors, np.ndarray) else vectors
        if len(vectors) != len(rows) or not all(np.isfinite(part).all() for part in parts):
            raise ArithmeticError(f"the encoder made {len(vectors)} of {len(rows)} rows, or NaN")
        return vectors
