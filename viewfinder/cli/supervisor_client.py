"""Talks with the supervisord of one stack through its socket."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT_S = 10.0


class NotRunningError(Exception):
    """No supervisord answers there."""


@dataclass(frozen=True)
class ProcessState:
    """One process as its supervisor sees it."""

    name: str
    state: str  # STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL, ...
    pid: int  # 0 when there is none
    uptime_s: int
    reason: str  # why it could not be started

    @property
    def is_running(self) -> bool:
        """It has stayed up for a moment."""
        return self.state == "RUNNING"


class SupervisorClient:
    """The orders that `up`, `down` and `status` give."""

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket

    def pid(self) -> int:
        """Of supervisord itself.

        Raises:
            NotRunningError: nothing answers.
        """
        return int(self._call("getPID"))

    def processes(self) -> list[ProcessState]:
        """All of them, in no particular order.

        Raises:
            NotRunningError: nothing answers.
        """
        return [
            ProcessState(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                uptime_s=max(0, info["now"] - info["start"]) if info["pid"] else 0,
                reason=info["spawnerr"],
            )
            for info in self._call("getAllProcessInfo")
        ]

    def shut_down(self) -> None:
        """Begin to stop everything; returns at once.

        Raises:
            NotRunningError: nothing answers.
        """
        self._call("shutdown")

    def _call(self, method: str) -> Any:
        proxy = xmlrpc.client.ServerProxy(
            "http://supervisor/RPC2", transport=_UnixTransport(self._socket)
        )
        try:
            with proxy:
                return getattr(proxy.supervisor, method)()
        except xmlrpc.client.Fault as fault:
            if "SHUTDOWN" in fault.faultString:
                raise NotRunningError("it is stopping") from fault
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise NotRunningError(str(error)) from error


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return _UnixConnection(self._path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))
