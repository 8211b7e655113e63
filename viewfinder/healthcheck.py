"""Asks one part of Viewfinder whether it is well; for containers and scripts.

`python -m viewfinder.healthcheck grpc 127.0.0.1:50051`, `... http URL`, `... worker 0`.
Exits with 0 when it is, with 1 and a line on standard error when not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_TIMEOUT_S = 4.0


def _grpc(address: str) -> str | None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its types know no Check
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{address} does not answer: {error.code().name}"
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return None if serving else f"{address} answers, but is not serving"


def _http(url: str) -> str | None:
    import httpx

    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        return f"{url} does not answer: {error}"
    return None if answer.is_success else f"{url} answers {answer.status_code}: {answer.text[:500]}"


def _worker(queue_index: str) -> str | None:
    from viewfinder.queue import worker_is_alive
    from viewfinder.settings import SharedSettings, load_settings

    if worker_is_alive(load_settings(SharedSettings), int(queue_index)):
        return None
    return f"no worker has been heard of on queue {queue_index}"


_CHECKS: dict[str, Callable[[str], str | None]] = {"grpc": _grpc, "http": _http, "worker": _worker}


def main(arguments: list[str]) -> int:
    """Exit status of the check that the arguments name."""
    if len(arguments) != 2 or arguments[0] not in _CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    problem = _CHECKS[arguments[0]](arguments[1])
    if problem is not None:
        print(problem, file=sys.stderr)
    return 0 if problem is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
