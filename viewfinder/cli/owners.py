"""The services that own the data, as a backup needs them: those that run, or started for it."""

from __future__ import annotations

import asyncio
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from grpc_health.v1 import health_pb2, health_pb2_grpc

from viewfinder.cli import dying_with
from viewfinder.cli.programs import Program, environment_of
from viewfinder.cli.stack import Stack
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.errors import ServiceUnavailable, ViewfinderError
from viewfinder.rpc import open_channel
from viewfinder.v1 import catalog_pb2_grpc, search_pb2_grpc

if TYPE_CHECKING:
    from viewfinder.v1.catalog_pb2_grpc import CatalogServiceAsyncStub
    from viewfinder.v1.search_pb2_grpc import SearchServiceAsyncStub

Words: TypeAlias = IO[bytes]

STREAM_S = 24 * 3600.0
_CHECK_S = 2.0
_START_S = 60.0
_STOP_S = 30.0
_POLL_S = 0.1

UPLOAD = Program("upload", "upload_service")
SEARCH = Program("search", "search_service")
NO_GRAPH = {"VIEWFINDER_BUILD_ABOVE": str(10**9)}
"""For a search_service that runs for minutes only: it begins no graph that it cannot finish."""


class OwnerFaultError(Exception):
    """A service that is needed does not run, or does not start; the text says what to do."""


@dataclass(frozen=True)
class Owners:
    """The owners of catalogue and index. `were_running`: others use them, too."""

    catalog: CatalogServiceAsyncStub
    search: SearchServiceAsyncStub
    were_running: bool


@asynccontextmanager
async def owners_of(stack: Stack) -> AsyncIterator[Owners]:
    """Those that run; where nothing runs on this machine, both are started for as long as needed.

    Raises:
        OwnerFaultError: only one of them answers, or one does not start.
        CannotStartError: the stack is being started or restored right now.
    """
    settings = stack.settings
    async with AsyncExitStack() as closing:
        channels = {
            program.name: open_channel(_address(settings, program), program.module)
            for program in (UPLOAD, SEARCH)
        }
        for channel in channels.values():
            closing.push_async_callback(channel.close)
        answering = await asyncio.gather(*(_answers(channel) for channel in channels.values()))
        were_running = all(answering)
        if not were_running:
            silent = [p for p, yes in zip((UPLOAD, SEARCH), answering, strict=True) if not yes]
            if len(silent) == 1 or stack.pid() is not None:
                raise OwnerFaultError(
                    f"{silent[0].module} does not answer; look at `viewfinder status`"
                )
            if any(getattr(settings, f"{program.name}_address") for program in silent):
                raise OwnerFaultError(
                    f"{silent[0].module} at {_address(settings, silent[0])} does not answer"
                )
            closing.enter_context(stack.kept_down("backed up"))
            await closing.enter_async_context(started(settings, silent, NO_GRAPH))
        yield Owners(
            catalog_pb2_grpc.CatalogServiceStub(channels["upload"]),
            search_pb2_grpc.SearchServiceStub(channels["search"]),
            were_running,
        )


@asynccontextmanager
async def started(
    settings: StackSettings, programs: Sequence[Program], environment: Mapping[str, str]
) -> AsyncIterator[None]:
    """These services on their sockets, and nothing else; `environment` overrides theirs.

    Raises:
        OwnerFaultError: one does not start; the text has its last words.
    """
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    running: list[tuple[Program, Process, Words]] = []
    try:
        for program in programs:
            words: Words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            process = await asyncio.create_subprocess_exec(
                *dying_with.command(program.module, *program.arguments),
                env={**environment_of(settings), **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C here is for us; we stop them in order
            )
            running.append((program, process, words))
        for program, process, words in running:
            await _wait_until_it_answers(settings, program, process, words)
        yield
    finally:
        for _, process, _ in running:
            with suppress(ProcessLookupError):
                process.terminate()
        for _, process, words in running:
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
            words.close()


async def _wait_until_it_answers(
    settings: StackSettings, program: Program, process: Process, words: Words
) -> None:
    channel = open_channel(_address(settings, program), program.module)
    try:
        async with asyncio.timeout(_START_S):
            while not await _answers(channel):
                if process.returncode is not None:
                    raise OwnerFaultError(f"{program.module} does not start: {_last_of(words)}")
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise OwnerFaultError(f"{program.module} does not answer: {_last_of(words)}") from None
    finally:
        await channel.close()


def _last_of(words: Words) -> str:
    words.seek(0)
    lines = words.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"


def _address(settings: StackSettings, program: Program) -> str:
    return settings.address_of("upload" if program is UPLOAD else "search")


async def _answers(channel: Any) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no Check
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_CHECK_S)
    except ServiceUnavailable:
        return False
    except ViewfinderError as error:
        raise OwnerFaultError(error.message) from error
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
