"""Tells caches which answers hold: a token in Redis, another one after every write.

A cache keeps an answer together with the token that stood there *before* its search began, and
shows it only while that token still stands. A write is acknowledged only once its new token stands,
or once no token can: each is a lease that runs out by itself, so when Redis cannot be told, the
write waits for the end of the longest lease that was ever asked for. So no answer from before an
acknowledged write is ever shown, whatever becomes of Redis in between:

- killed and back with data some moments old: keys are named after the run (redis_run.py);
- stopped and resumed: leases end at a moment of the server's own clock, so a command that it finds
  in its socket afterwards cannot prolong one; every token is sent once and never again;
- emptied, or evicted: no token, no cached answers, until the next beat brings a new one.

While Redis is away, looking for it promises nothing, so only writes of the first moments wait.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from viewfinder.redis_run import (
    Command,
    RedisAwayError,
    RedisRefusedError,
    RedisRuns,
    ServerRun,
    epoch_key,
)

LEASE_S = 2.0
_BEATS = 4  # in a lease
_MARGIN_S = 0.1  # the server looks at its clock once in a round of its loop
_ANSWER_S = 0.25

log = structlog.get_logger()


class EpochLease:
    """Publishes tokens `<encoder revision>:<unique>`. `run` it while the service serves.

    Several processes over one index may share a key: every token is unique, and prolonging keeps
    whichever stands there.
    """

    def __init__(
        self,
        redis: RedisRuns,
        collection: str,
        revision: Callable[[], str],
        lease_s: float = LEASE_S,
    ) -> None:
        self._redis = redis
        self._collection = collection
        self._revision = revision
        self._lease_s = lease_s
        self._run: ServerRun | None = None
        self._changes = 1  # what was done before this process began counts as one
        self._published = 0  # how many of the changes the last token came after
        self._publishing = asyncio.Lock()
        self._news = asyncio.Condition()
        self._held_until = time.monotonic() + lease_s + _MARGIN_S  # by our predecessor

    async def tell(self) -> None:
        """Call it after every change of what searches find, before anybody is told of it.

        Returns when no cache can show what was before: at once when Redis answers, within a lease
        when it just went away.
        """
        self._changes += 1
        mine = self._changes
        if time.monotonic() < self._held_until and self._run is not None:
            async with self._publishing:
                if self._published < mine and self._run is not None:
                    await self._publish(self._run)
        until = self._held_until
        async with self._news:
            while self._published < mine and (left := until - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left)

    async def run(self) -> None:
        """Keep the lease, and find Redis again when it was away; until cancelled."""
        try:
            while True:
                async with self._publishing:
                    await self._beat()
                await asyncio.sleep(self._lease_s / _BEATS)
        finally:
            await self._redis.close()

    async def _beat(self) -> None:
        try:
            if self._run is None:
                self._run = await self._redis.look(_ANSWER_S)
                log.info("caches are told what holds", run=self._run.run_id)
        except RedisAwayError as error:
            log.debug("nothing is cached, Redis is away", reason=str(error))
            return
        if self._published < self._changes or not await self._prolong(self._run):
            await self._publish(self._run)

    async def _publish(self, run: ServerRun) -> None:
        """A new token; holds the lock."""
        changes = self._changes
        token = f"{self._revision()}:{uuid.uuid4().hex}"
        if await self._send(run, lambda key, end: ["SET", key, token, "PXAT", end]) is not None:
            async with self._news:
                self._published = changes
                self._news.notify_all()

    async def _prolong(self, run: ServerRun) -> bool:
        """Whether there was a token to prolong, or nobody to ask; holds the lock."""
        there = await self._send(run, lambda key, end: ["PEXPIREAT", key, end])
        return there != 0

    async def _send(self, run: ServerRun, command_for: Callable[[str, int], Command]) -> Any | None:
        """The answer, or None where it cannot be told whether it was done."""

        held_before = self._held_until

        def commands(there: ServerRun) -> Sequence[Command]:
            if there.run_id != run.run_id:
                raise RedisAwayError("it was started again")
            # Before anything is sent: it may be carried out whether we are answered or not.
            self._held_until = time.monotonic() + self._lease_s + _MARGIN_S
            return [
                command_for(epoch_key(self._collection, run), run.clock_after(self._lease_s)),
                ["TIME"],
            ]

        try:
            answer, clock = await self._redis.call(commands, _ANSWER_S)
        except RedisRefusedError as error:
            self._held_until = held_before
            self._lose(error)
            return None
        except RedisAwayError as error:
            self._lose(error)
            return None
        self._run = run.seen_now(clock)
        return answer

    def _lose(self, error: RedisAwayError) -> None:
        log.warning("caches cannot be told what holds, so they hold nothing", reason=str(error))
        self._run = None
