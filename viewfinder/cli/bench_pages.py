"""`viewfinder bench pages` and `bench late`: what PDFs cost, drawn and found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli.connection import WRONG_ARGUMENT, fail
from viewfinder.cli.figures_file import JsonFile, check_folders


def pages(
    count: Annotated[int, typer.Option("--pages", min=1, max=2000)] = 100,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Your own PDF, not a made one.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Measure how many PDF pages a second are drawn and read, beside bare pypdfium2.

    viewfinder bench pages --pages 100 --json pages.json
    """
    from bench.figures import report
    from bench.pages import NothingToDraw, measure_pages

    check_folders(json_file)
    try:
        figures = measure_pages(count, file)
    except NothingToDraw as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    report("Pages", figures, json_file)


def late(
    pages: Annotated[int, typer.Option(min=10, help="0.36 MB each as 700 rows of 128.")] = 2000,
    rows: Annotated[int, typer.Option(min=1, max=4096, help="Vectors of a page.")] = 700,
    queries: Annotated[int, typer.Option("--queries", "-n", min=1)] = 30,
    tokens: Annotated[int, typer.Option(min=1, max=512, help="Vectors of a query.")] = 20,
    build: Annotated[bool, typer.Option("--build", help="Graph and quantisation first.")] = False,
    speedup: Annotated[float, typer.Option(min=0, help="Exit with 1 when it is less.")] = 0.0,
    ndcg_kept: Annotated[float, typer.Option(min=0, max=1, help="The same.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds make other pages.")] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure finding pages by their mean rows first against comparing all of their rows.

    As VIEWFINDER_LATE_QUANTISATION and VIEWFINDER_LATE_ON_DISK say; synthetic pages, one thread.

    viewfinder bench late --pages 2000 --rows 700 --json late.json
    """
    from bench.figures import report
    from bench.index_settings import index_settings
    from bench.late import LatePlan, measure_late
    from bench.synthetic_pages import PagesRecipe

    check_folders(json_file)
    recipe = PagesRecipe(pages, rows, seed=seed)
    plan = LatePlan(recipe, queries, tokens, index_settings().engine_options, build)
    try:
        run = measure_late(plan)
    except RuntimeError as error:
        raise fail(str(error)) from None
    report("Late interaction", run.figures(), json_file)
    if run.speedup < speedup or run.kept < ndcg_kept:
        raise fail(
            f"{run.speedup:.2f} times as fast, of {speedup:g} wanted;"
            f" {run.kept:.4f} of the NDCG@10, of {ndcg_kept:g} wanted"
        )
