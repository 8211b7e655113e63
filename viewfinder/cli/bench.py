"""`viewfinder bench ...`: measurements anybody can run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from viewfinder.cli.connection import WRONG_ARGUMENT, fail

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here as one flat object.")
]
Api = Annotated[
    str | None,
    typer.Option("--api", help="Measure this gateway, not a throw-away stack of its own."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    bench = typer.Typer(
        help="Measure on this machine. Compare what was run in one go: machines are noisy.",
        no_args_is_help=True,
    )
    bench.command("ingest")(ingest)
    bench.command("search")(search)
    bench.command("encode")(encode)
    app.add_typer(bench, name="bench")


def ingest(
    pictures: Annotated[int, typer.Option(min=1, help="How many for the rate.")] = 1000,
    single: Annotated[int, typer.Option(min=1, help="How many one by one for the delay.")] = 20,
    folder: Annotated[Path | None, typer.Option(help="Your own pictures instead of made.")] = None,
    json_file: JsonFile = None,
    api: Api = None,
) -> None:
    """Measure how soon one picture can be found, and how many a second come in.

    viewfinder bench ingest --pictures 1000 --json ingest.json
    """
    from bench.figures import report
    from bench.ingest import measure_ingest

    with _gateway(api) as url:
        report("Ingest", measure_ingest(url, pictures, single, folder), json_file)


def search(
    pictures: Annotated[int, typer.Option(min=1, help="Fill the stack up to so many.")] = 1000,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1, help="Searches.")] = 1000,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1)] = 1,
    repeat: Annotated[
        bool, typer.Option(help="Ask the same 15 queries over and over: cached vectors.")
    ] = False,
    json_file: JsonFile = None,
    api: Api = None,
) -> None:
    """Measure how fast searches are answered through the gateway.

    viewfinder bench search --pictures 1000 -n 1000 --json search.json
    """
    from bench.figures import report
    from bench.search import fill, measure_search

    with _gateway(api) as url:
        if api is None:
            fill(url, pictures)
        report("Search", measure_search(url, requests, concurrency, repeat=repeat), json_file)


def encode(
    encoder: Annotated[
        str, typer.Option(help="Its name, see `viewfinder models list`; else the settings' one.")
    ] = "",
    against: Annotated[
        str, typer.Option(help="open_clip: the same weights, eager, in turns with the service.")
    ] = "",
    json_file: JsonFile = None,
) -> None:
    """Measure an encoder through its service: texts, pictures, start, memory.

    viewfinder bench encode --encoder ViT-B-32--laion2b_s34b_b79k --against open_clip
    """
    from bench.encode import measure_encode
    from bench.figures import report

    try:
        figures = measure_encode(encoder, against, Console(stderr=True, highlight=False))
    except LookupError as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    report("Encode", figures, json_file)


@contextmanager
def _gateway(api: str | None) -> Iterator[str]:
    if api is not None:
        yield api
        return
    from bench.own_stack import own_stack

    try:
        with own_stack() as url:
            yield url
    except RuntimeError as error:
        raise fail(str(error)) from None
