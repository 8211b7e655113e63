"""Quick asyncio connections to Redis that know which run of the server they talk to.

A server that was killed comes back with data that is some moments old: its log is written to disk
once a second. A connection ends with its server, so who names keys after the run that a connection
was opened to (`run_id`, new at every start, and other on a replica that took over) never reads what
was written to an earlier run. Connections through a proxy that hides restarts do not have this.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from viewfinder.settings import SharedSettings

Command: TypeAlias = Sequence[str | bytes | int]

_OPEN_S = 0.25
_PAUSE_S = 0.2
_MS = 1000.0


class RedisAwayError(Exception):
    """Redis did not answer, or not in time. What was sent to it may still be carried out."""


class RedisRefusedError(RedisAwayError):
    """Redis answered with an error: what was refused was not carried out."""


@dataclass(frozen=True)
class ServerRun:
    """One run of a server, and its clock: at `seen_at` (of our monotonic clock) it showed at least
    `clock_ms` (Unix time)."""

    run_id: str
    clock_ms: float
    seen_at: float

    def seen_now(self, answer: Sequence[bytes]) -> ServerRun:
        """The same run with the clock of an answer to TIME that came this moment."""
        seconds, microseconds = answer
        clock_ms = int(seconds) * _MS + int(microseconds) / _MS
        return ServerRun(self.run_id, clock_ms, time.monotonic())

    def clock_after(self, lease_s: float) -> int:
        """The server's time `lease_s` from now, or a little earlier; milliseconds."""
        return int(self.clock_ms + (time.monotonic() - self.seen_at + lease_s) * _MS)


_NO_RUN = ServerRun("", 0.0, 0.0)


def epoch_key(collection: str, run: ServerRun) -> str:
    """Where search_service says which answers hold. Of one run: an earlier one's has no say."""
    return f"viewfinder:epoch:{collection}:{run.run_id}"


@dataclass(frozen=True)
class _Held:
    connection: AbstractConnection
    run: ServerRun

    def is_alive(self) -> bool:
        """Whether the server left it open; known at once, where sending would only tell later."""
        reader = self.connection._reader  # redis-py has no public way without a round trip
        return self.connection.is_connected and reader is not None and not reader.at_eof()


class RedisRuns:
    """At most `limit` connections, opened in the background when needed: a server far away, or one
    that hangs, costs a caller no more than its own timeout. Nothing is ever sent twice."""

    def __init__(self, settings: SharedSettings, limit: int = 8) -> None:
        self._settings = settings
        self._limit = limit
        self._open = 0
        self._idle: list[_Held] = []
        self._wanted: deque[asyncio.Future[_Held]] = deque()
        self._opening: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._reason = ""

    async def call(
        self, commands_for: Callable[[ServerRun], Sequence[Command]], timeout_s: float
    ) -> list[Any]:
        """The answers to the commands made for whichever run is there, texts as bytes.

        Raises:
            RedisRefusedError: one of the commands was answered with an error.
            RedisAwayError: no connection, or no answer in time.
        """
        held: _Held | None = None
        try:
            async with asyncio.timeout(timeout_s):
                held = await self._take()
                connection = held.connection
                commands = commands_for(held.run)
                packed = b"".join(b"".join(connection.pack_command(*one)) for one in commands)
                if not connection.is_connected:  # it would connect again, perhaps to another run
                    raise RedisAwayError("the connection was lost")  # noqa: TRY301
                await connection.send_packed_command(packed, check_health=False)
                answers = [await connection.read_response() for _ in commands]
        except BaseException as error:
            if held is not None:
                await self._drop(held)  # an answer may still come, to nobody
            if isinstance(error, ResponseError):
                raise RedisRefusedError(str(error)) from error
            if isinstance(error, RedisError | OSError):  # TimeoutError is an OSError
                raise RedisAwayError(str(error) or "it does not answer") from error
            raise
        self._give(held)
        return answers

    async def look(self, timeout_s: float) -> ServerRun:
        """The run that is there now, its clock freshly read; changes nothing in it.

        Raises:
            RedisAwayError: see `call`.
        """
        while self._idle:
            await self._drop(self._idle.pop())
        try:
            async with asyncio.timeout(timeout_s):
                held = await self._take()
        except TimeoutError:
            raise RedisAwayError("it does not answer") from None
        self._give(held)
        return held.run

    async def close(self) -> None:
        """Close all that are idle."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        while self._idle:
            await self._drop(self._idle.pop())

    async def _take(self) -> _Held:
        while self._idle:
            held = self._idle.pop()
            if held.is_alive():
                return held
            await self._drop(held)
        if self._opening is None and self._open < self._limit:
            if time.monotonic() >= self._not_before:
                self._opening = asyncio.create_task(self._open_one())
            elif self._open == 0:
                raise RedisAwayError(self._reason)
        wanted: asyncio.Future[_Held] = asyncio.get_running_loop().create_future()
        self._wanted.append(wanted)
        try:
            return await wanted
        except BaseException:
            if wanted.done() and not wanted.cancelled() and wanted.exception() is None:
                self._give(wanted.result())
            raise

    def _give(self, held: _Held) -> None:
        while self._wanted:
            wanted = self._wanted.popleft()
            if not wanted.done():
                wanted.set_result(held)
                return
        self._idle.append(held)

    async def _open_one(self) -> None:
        connection = self._new()
        self._open += 1
        try:
            async with asyncio.timeout(_OPEN_S):
                await connection.connect()  # type: ignore[no-untyped-call]
                run = await _run_of(connection)
        except BaseException as error:
            await self._drop(_Held(connection, _NO_RUN))
            self._not_before = time.monotonic() + _PAUSE_S
            self._reason = str(error) or "it does not answer"
            if not isinstance(error, RedisError | OSError | LookupError):
                raise
            while self._wanted and self._open == 0:
                wanted = self._wanted.popleft()
                if not wanted.done():
                    wanted.set_exception(RedisAwayError(self._reason))
        else:
            self._give(_Held(connection, run))
        finally:
            self._opening = None

    async def _drop(self, held: _Held) -> None:
        self._open -= 1
        await held.connection.disconnect(nowait=True)

    def _new(self) -> AbstractConnection:
        options: dict[str, Any] = {
            "socket_timeout": None,  # each call has a timeout of its own
            "socket_connect_timeout": _OPEN_S,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            "driver_info": None,
            "protocol": 2,
        }
        settings = self._settings
        if settings.redis_host:
            return Connection(
                host=settings.redis_host,
                port=settings.redis_port,
                password=settings.redis_password or None,
                **options,
            )
        return UnixDomainSocketConnection(path=str(settings.redis_socket), **options)


async def _run_of(connection: AbstractConnection) -> ServerRun:
    await connection.send_command("INFO", "server", check_health=False)
    information: bytes = await connection.read_response()
    lines = dict(
        line.partition(":")[::2] for line in information.decode("utf-8", "replace").splitlines()
    )
    await connection.send_command("TIME", check_health=False)
    return ServerRun(lines["run_id"], 0.0, 0.0).seen_now(await connection.read_response())
