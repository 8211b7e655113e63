"""Answers kept in Redis, shown only while nothing was written since; see docs/architecture.md.

A cache is a convenience: whatever goes wrong with it, the search is made, and soon.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from viewfinder.redis_run import Command, RedisAwayError, RedisRuns, ServerRun, epoch_key

_TOLERATED_FAULTS = 3  # in a row
_PAUSE_S = 1.0
_KEEP_S = 0.25
_AFTER_S = 0.002
_MOST_KEEPING = 32

log = structlog.get_logger()


@dataclass(frozen=True)
class Looked:
    """`token`: what stood when it was looked, None when nothing can be kept. `answer`: what was
    kept under this token."""

    token: bytes | None
    answer: bytes | None = None


_NOTHING = Looked(None)


class ResultCache:
    """Keeps answers for `ttl_s`, none larger than `max_entry_bytes`; a `ttl_s` of 0 keeps none."""

    def __init__(
        self,
        redis: RedisRuns,
        collection: str,
        ttl_s: int,
        max_entry_bytes: int,
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._collection = collection
        self._ttl_s = ttl_s
        self._max_entry_bytes = max_entry_bytes
        self._timeout_s = timeout_s
        self._clock = clock
        self._faults = 0
        self._paused_until = 0.0
        self._keeping: set[asyncio.Task[None]] = set()

    async def look(self, key: str) -> Looked:
        """What is kept under `key`, and the token to keep an answer under if nothing is.

        Look before the search is made: an answer belongs to the token that stood before it.
        """
        if self._ttl_s == 0 or self._clock() < self._paused_until:
            return _NOTHING

        def commands(run: ServerRun) -> Sequence[Command]:
            return [["MGET", epoch_key(self._collection, run), key]]

        if self._faults >= _TOLERATED_FAULTS:
            self._paused_until = self._clock() + _PAUSE_S  # this one tries, no other
        try:
            [[token, entry]] = await self._redis.call(commands, self._timeout_s)
        except RedisAwayError as error:
            self._fault(error)
            return _NOTHING
        self._faults, self._paused_until = 0, 0.0
        if token is None:
            return _NOTHING
        kept_under, _, answer = entry.partition(b"\n") if entry is not None else (b"", b"", b"")
        return Looked(token, answer if kept_under == token else None)

    def keep(self, key: str, token: bytes, answer: bytes) -> None:
        """Keep an answer that was found after `token` was read; in the background."""
        if len(answer) > self._max_entry_bytes or len(self._keeping) >= _MOST_KEEPING:
            return
        task = asyncio.create_task(self._keep(key, token + b"\n" + answer))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, key: str, entry: bytes) -> None:
        await asyncio.sleep(_AFTER_S)  # whoever asked is answered first
        try:
            await self._redis.call(lambda _: [["SET", key, entry, "EX", self._ttl_s]], _KEEP_S)
        except RedisAwayError as error:
            self._fault(error)

    def _fault(self, error: Exception) -> None:
        self._faults += 1
        if self._faults >= _TOLERATED_FAULTS:
            self._paused_until = self._clock() + _PAUSE_S
        if self._faults == _TOLERATED_FAULTS:
            log.warning("answers are not kept, Redis is away", reason=str(error))

    async def close(self) -> None:
        """Finish keeping and close all connections."""
        if self._keeping:
            await asyncio.wait(self._keeping)
        await self._redis.close()


def entry_key(collection: str, parts: Sequence[bytes]) -> str:
    """The key of an answer; `parts` hold all that it depends on, but for the index."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return f"viewfinder:answer:{collection}:{digest.hexdigest()}"
