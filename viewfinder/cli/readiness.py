"""Whether everything that was started is ready to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from viewfinder.cli.stack import Stack
from viewfinder.client import Client
from viewfinder.errors import ViewfinderError

_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Readiness:
    """What still waits, by part, and why."""

    waiting: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Pictures can be uploaded and searched."""
        return not self.waiting


def look(stack: Stack) -> Readiness:
    """Ask the supervisor, the gateway and the page, in this order."""
    processes = stack.processes()
    if not processes:
        return Readiness({"supervisor": "it does not answer"})
    waiting = {
        process.name: process.reason or process.state.lower()
        for process in processes
        if not process.is_running
    }
    waiting.update(
        (process.name, "it has not reported yet")
        for process in processes
        if process.is_running and _is_silent_worker(stack, process.name)
    )
    if not waiting:
        names = {process.name for process in processes}
        waiting.update(_gateway_waits(stack) if "gateway" in names else {})
        waiting.update(_frontend_waits(stack) if "frontend" in names else {})
    return Readiness(waiting)


def _is_silent_worker(stack: Stack, name: str) -> bool:
    """A worker listens nowhere; that it lives is known to the queue only."""
    kind, _, number = name.partition("-")
    if kind != "worker":
        return False
    from viewfinder.queue import worker_is_alive  # rq takes long to import, for all commands

    return not worker_is_alive(stack.settings, int(number))


def _gateway_waits(stack: Stack) -> dict[str, str]:
    settings = stack.settings
    try:
        with Client(
            settings.api_url, api_key=settings.api_key or None, timeout_s=_TIMEOUT_S
        ) as client:
            ready = client.ready()
    except ViewfinderError as error:
        return {"gateway": error.message}
    return {
        name: part.detail or "not ready" for name, part in ready.parts.items() if not part.ready
    }


def _frontend_waits(stack: Stack) -> dict[str, str]:
    url = f"{stack.settings.frontend_url}/_stcore/health"
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501 - no TLS
    except httpx.HTTPError as error:
        return {"frontend": str(error)}
    return {} if answer.is_success else {"frontend": f"it answers {answer.status_code}"}
