"""`viewfinder demo`: everything at once, on sample pictures."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from viewfinder.cli import output, preflight
from viewfinder.cli.connection import NOT_DONE, WRONG_ARGUMENT, fail
from viewfinder.cli.indexing import Indexer
from viewfinder.cli.programs import programs_of
from viewfinder.cli.samples import EXPECTED, sample_pictures
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.cli.startup import NotReadyError, StackRun
from viewfinder.client import Client
from viewfinder.errors import ViewfinderError
from viewfinder.settings import load_settings

_START_S = 120.0
_SHOWN_HITS = 3

DEMO_HELP = """Start everything on sample pictures, search them, and leave it running.

For example:

    viewfinder demo

    viewfinder demo --exit

Everything is kept in --data-dir. Exit status with --exit: 0 every search found its picture first;
1 one did not; 2 it could not be started.
"""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("demo", help=DEMO_HELP)(demo)


def demo(
    exit_after: Annotated[
        bool, typer.Option("--exit", help="Stop everything after the searches.")
    ] = False,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path(".demo"),
) -> None:
    """See DEMO_HELP."""
    console = Console(highlight=False)
    try:
        pictures = sample_pictures()
    except FileNotFoundError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    os.environ["VIEWFINDER_DATA_DIR"] = str(data_dir.absolute())
    settings = load_settings(StackSettings)
    stack = Stack(settings, programs_of(settings))
    problems = [] if stack.pid() else preflight.problems(settings, stack.programs)
    if problems:
        raise fail("\n".join(problems), WRONG_ARGUMENT)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        if not stack.pid():
            StackRun(stack, console, stopping, _START_S).detached()
        found_all = _index_and_search(console, settings, pictures)
        if not exit_after:
            console.print(f"\nThe page:  {settings.frontend_url}")
            console.print(f"The API:   {settings.api_url}/docs")
            console.print("It runs until Ctrl-C.")
            stopping.wait()
    except CannotStartError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    except (NotReadyError, ViewfinderError) as error:
        raise fail(str(error)) from None
    finally:
        with console.status("Stopping ..."):
            stack.stop()
    if not found_all:
        raise typer.Exit(NOT_DONE)


def _index_and_search(console: Console, settings: StackSettings, pictures: list[Path]) -> bool:
    with Client(settings.api_url, api_key=settings.api_key or None) as client:
        console.print(f"Indexing {len(pictures)} sample pictures")
        with output.IndexBars(console) as bars:
            report = Indexer(client, ["sample"], 4, bars).run(pictures)
        output.show_report(console, report)
        table = Table(title="Five searches", title_justify="left")
        for name in ("search", "score", "picture", ""):
            table.add_column(name, justify="right" if name == "score" else "left")
        found_all = True
        for query, expected in EXPECTED.items():
            hits = client.search(query, top_k=_SHOWN_HITS).results
            first = hits[0].metadata.file_name if hits else ""
            found = first.startswith(expected)
            found_all &= found
            verdict = "found" if found else f"{expected} should be first"
            for place, hit in enumerate(hits):
                table.add_row(
                    query if place == 0 else "",
                    f"{hit.score:.3f}",
                    hit.metadata.file_name,
                    verdict if place == 0 else "",
                    style=None if place == 0 else "dim",
                    end_section=place == len(hits) - 1,
                )
    console.print(table)
    return found_all and report.complete
