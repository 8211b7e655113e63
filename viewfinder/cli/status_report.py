"""What `viewfinder status` tells, for people and for programs."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import psutil
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from viewfinder import api_models
from viewfinder.cli.readiness import look
from viewfinder.cli.stack import Stack
from viewfinder.cli.supervisor_client import ProcessState
from viewfinder.client import Client
from viewfinder.errors import ViewfinderError

_TIMEOUT_S = 3.0
_STATE_STYLES = {"RUNNING": "green", "STARTING": "yellow", "STOPPING": "yellow"}


class ProcessReport(BaseModel):
    """One process."""

    name: str
    state: str
    pid: int | None
    uptime_s: int
    memory_mb: float


class StatusReport(BaseModel):
    """All of it. `leftovers` are processes whose supervisor was killed."""

    running: bool
    ready: bool
    waiting: dict[str, str]
    data_dir: str
    api_url: str
    frontend_url: str | None
    processes: list[ProcessReport]
    leftovers: list[str]
    stats: api_models.Stats | None


def of(stack: Stack) -> StatusReport:
    """The state of this stack now."""
    settings = stack.settings
    processes = [_report(process) for process in stack.processes()]
    readiness = look(stack)
    has_page = any(process.name == "frontend" for process in processes)
    return StatusReport(
        running=bool(processes),
        ready=readiness.is_ready,
        waiting=dict(readiness.waiting) if processes else {},
        data_dir=str(settings.data_dir.absolute()),
        api_url=settings.api_url,
        frontend_url=settings.frontend_url if has_page else None,
        processes=processes,
        leftovers=[] if processes else stack.leftovers(),
        stats=_stats(stack) if processes else None,
    )


def show(report: StatusReport, console: Console) -> None:
    """Print it for people."""
    if report.leftovers:
        console.print(
            f"The supervisor is gone, still running: {', '.join(report.leftovers)};"
            " end them with: viewfinder down",
            style="yellow",
            soft_wrap=True,
        )
        return
    if not report.running:
        console.print(
            f"Nothing is running on {report.data_dir}; start it with: viewfinder up",
            soft_wrap=True,
        )
        return
    table = Table("process", "state", "pid", "uptime", "memory", box=None, pad_edge=False)
    for process in report.processes:
        table.add_row(
            process.name,
            f"[{_STATE_STYLES.get(process.state, 'red')}]{process.state.lower()}[/]",
            str(process.pid or "-"),
            str(timedelta(seconds=process.uptime_s)),
            f"{process.memory_mb:.0f} MB",
        )
    console.print(table)
    for name, reason in report.waiting.items():
        console.print(f"{name} is not ready: {reason}", style="yellow", markup=False)
    if report.ready:
        console.print("Ready", style="green", end=": ")
        console.print(" · ".join(filter(None, [f"{report.api_url}/docs", report.frontend_url])))
    if report.stats is not None:
        _show_stats(report.stats, console)
    console.print(f"Data: {report.data_dir}", soft_wrap=True, markup=False)


def _show_stats(stats: api_models.Stats, console: Console) -> None:
    catalogue, latency = stats.catalogue, stats.latency.total
    states = ", ".join(f"{count} {state}" for state, count in catalogue.by_state.items() if count)
    what = f"Pictures: {catalogue.total - catalogue.pages}"
    if catalogue.documents:
        what += f", documents: {catalogue.documents} of {catalogue.pages} pages"
    console.print(
        f"{what} ({states or 'none yet'}),"
        f" {catalogue.size_bytes / 1e6:.1f} MB; vectors: {stats.collection.vectors_count}"
    )
    if catalogue.to_read:
        console.print(f"Texts yet to be read: {catalogue.to_read}")
    if latency.count:
        console.print(
            f"Searches: {latency.count}, p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms"
        )


def _report(process: ProcessState) -> ProcessReport:
    return ProcessReport(
        name=process.name,
        state=process.state,
        pid=process.pid or None,
        uptime_s=process.uptime_s,
        memory_mb=round(_memory_bytes(process.pid) / 1e6, 1),
    )


def _memory_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    total = 0
    if pid:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            for member in [process, *process.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += member.memory_info().rss
    return total


def _stats(stack: Stack) -> api_models.Stats | None:
    settings = stack.settings
    try:
        with Client(
            settings.api_url, api_key=settings.api_key or None, timeout_s=_TIMEOUT_S
        ) as client:
            return client.stats()
    except ViewfinderError:
        return None
