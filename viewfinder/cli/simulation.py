"""`viewfinder simulate`: a synthetic collection, to measure with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from viewfinder.cli.connection import WRONG_ARGUMENT, fail
from viewfinder.cli.figures_file import JsonFile
from viewfinder.settings import SharedSettings, load_settings


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("simulate")(simulate)


def simulate(
    count: Annotated[int, typer.Option(min=1, help="How many points.")] = 10_000,
    dim: Annotated[int, typer.Option(help="Numbers of a vector: 384, or up to 4096.")] = 512,
    kind: Annotated[
        Literal["clustered", "uniform"],
        typer.Option(
            help="clustered: around captions, as in real collections; uniform: worst case."
        ),
    ] = "clustered",
    data_dir: Annotated[
        Path | None, typer.Option(help="The folder to fill; empty: VIEWFINDER_DATA_DIR.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same points.")] = 0,
    words: Annotated[
        bool,
        typer.Option(
            help="Have them found by file name, tags, camera and event, too, as pictures."
        ),
    ] = True,
    graph: Annotated[
        bool | None,
        typer.Option(
            help="Build the graph at the end; else: above VIEWFINDER_BUILD_ABOVE points.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="Threads that build the graph; 0: all cores.")
    ] = 0,
    json_file: JsonFile = None,
) -> None:
    """Fill an index with made-up pictures, to see how searching behaves with very many.

    Vectors and metadata only, and no pictures: searches find them, but results have no thumbnails,
    content answers 404, and the list of images is empty. So a folder that holds pictures is
    refused. `viewfinder up` on the folder then answers real text queries: the index names the
    encoder mini@DIM, which is mini with longer vectors.

    viewfinder simulate --count 100000 --dim 512 --data-dir ./many

    VIEWFINDER_DATA_DIR=./many viewfinder up --detach
    """
    import os
    from dataclasses import replace

    from bench.encoders import EncoderProblem
    from bench.figures import machine, report
    from bench.index_settings import IndexFault, IndexUnusable, index_settings
    from bench.simulate import CannotSimulate, Listener, simulate
    from bench.synthetic import Recipe
    from viewfinder.errors import StorageFull

    folder = (data_dir or load_settings(SharedSettings).data_dir).absolute()
    settings = index_settings()
    options = replace(settings.engine_options, build_threads=threads or os.cpu_count() or 1)
    wants_graph = graph if graph is not None else count > settings.build_above
    console = Console(stderr=True)
    try:
        with _bars(console) as bars:
            loading = bars.add_task("points", total=count)
            building = bars.add_task("graph", total=None, visible=False, start=False)

            def show_building(seconds: float) -> None:
                if seconds == 0 or not bars.tasks[building].started:
                    bars.start_task(building)
                bars.update(building, visible=True)

            done = simulate(
                folder,
                Recipe(count, dim, kind, seed, words),
                options,
                Listener(lambda points: bars.update(loading, completed=points), show_building),
                graph=wants_graph,
            )
    except (CannotSimulate, EncoderProblem, IndexUnusable) as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except StorageFull as error:
        raise fail(error.message) from None
    except IndexFault as fault:
        raise fail(f"The index does not take the points: {fault}") from None
    report(
        "Simulated",
        {
            "points": done.points,
            "dim": dim,
            "kind": kind,
            "seed": seed,
            "words": int(words),
            "encoder": done.encoder.name,
            "loading_s": round(done.loading_s, 2),
            "points_per_s": round(done.points / done.loading_s, 1),
            "graph": int(done.graph),
            "graph_building_s": round(done.building_s, 2),
            "disk_mib": round(_size_bytes(folder / "index") / 2**20, 1),
            **machine(),
        },
        json_file,
    )


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _size_bytes(folder: Path) -> int:
    """What is allocated: the engine's files are larger than what they hold."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
