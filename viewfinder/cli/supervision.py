"""`viewfinder up | down | status`: every process of Viewfinder on this machine."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer
from rich.console import Console

from viewfinder.cli import preflight, status_report
from viewfinder.cli.programs import programs_of
from viewfinder.cli.stack import CannotStartError, Stack, already_running
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.cli.startup import NotReadyError, StackRun
from viewfinder.settings import load_settings

NOT_DONE = 1
CANNOT_START = 2

UP_HELP = """Start everything on this machine and keep it running.

In the foreground it shows one log of all processes, and stops them on Ctrl-C. A process that dies
is started again.

    viewfinder up

    viewfinder up --detach

    VIEWFINDER_DATA_DIR=/mnt/pictures API_PORT=9000 viewfinder up --no-frontend

Exit status: 0 stopped as asked, or ready with --detach; 1 not ready in time, or died; 2 something
must be put right first (each line says what).
"""

DOWN_HELP = """Stop everything that `viewfinder up` started, in order, and wait for it.

Finds by the data folder what is to be stopped (VIEWFINDER_DATA_DIR), also when its supervisor was
killed.

    viewfinder down

Exit status: 0, also when nothing was running.
"""

STATUS_HELP = """Show what runs, whether it is ready, and what it holds.

For people and for programs:

    viewfinder status

    viewfinder status --json | jq .ready

Exit status: 0 everything is ready; 1 something is not, or nothing runs.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("up", help=UP_HELP)(up)
    app.command("down", help=DOWN_HELP)(down)
    app.command("status", help=STATUS_HELP)(status)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready.")
    ] = False,
    frontend: Annotated[
        bool, typer.Option("--frontend/--no-frontend", help="With or without the web page.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait until everything is ready.")
    ] = 60.0,
) -> None:
    """See UP_HELP."""
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    settings = load_settings(StackSettings)
    stack = Stack(settings, programs_of(settings, frontend))
    running = stack.pid()
    found = [already_running(running)] if running else preflight.problems(settings, stack.programs)
    if found:
        for problem in found:
            errors.print(problem, style="red", soft_wrap=True, markup=False)
        raise typer.Exit(CANNOT_START)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    run = StackRun(stack, console, stopping, timeout)
    try:
        run.detached() if detach else run.in_foreground()
    except CannotStartError as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False)
        raise typer.Exit(CANNOT_START) from None
    except NotReadyError as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False)
        raise typer.Exit(NOT_DONE) from None


def down() -> None:
    """See DOWN_HELP."""
    console = Console(highlight=False)
    settings = load_settings(StackSettings)
    with console.status("Stopping ..."):
        stopped = Stack(settings, programs_of(settings)).stop()
    folder = settings.data_dir.absolute()
    if stopped:
        console.print(f"Stopped: {', '.join(stopped)}", soft_wrap=True)
    else:
        console.print(f"Nothing is running on {folder}", soft_wrap=True)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """See STATUS_HELP."""
    settings = load_settings(StackSettings)
    report = status_report.of(Stack(settings, programs_of(settings)))
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        status_report.show(report, Console(highlight=False))
    if not report.ready:
        raise typer.Exit(NOT_DONE)
