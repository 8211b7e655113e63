"""`python -m gateway`: wiring only."""

from __future__ import annotations

import signal
import socket
import sys
from typing import NoReturn

import uvicorn

from gateway.app import create_app
from gateway.settings import GatewaySettings
from viewfinder.rpc_server import GRACE_S
from viewfinder.settings import load_settings
from viewfinder.telemetry import configure_logging

_KEEP_ALIVE_S = 75


def main() -> None:
    """Serve until SIGTERM; exit status 1 and one line when the address cannot be had."""
    settings = load_settings(GatewaySettings)
    configure_logging("gateway", settings.log_format, settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(GRACE_S) - 2,
        h11_max_incomplete_event_size=64 << 10,
    )
    try:
        listener = _listen(settings.api_host, settings.api_port)
    except OSError as error:
        where = f"{settings.api_host}:{settings.api_port}"
        print(
            f"gateway: cannot listen on {where} (API_HOST, API_PORT): {error.strerror}",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # uvicorn stops in good order, then raises the signal again
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


if __name__ == "__main__":
    main()
