"""`viewfinder eval ...`: how good answers are, on your own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from viewfinder.cli.bench import Api, JsonFile, measured_gateway
from viewfinder.cli.connection import WRONG_ARGUMENT, ConnectionSettings, fail

DatasetPath = Annotated[
    Path, typer.Argument(help="A JSONL file of captions, or a folder with one folder a label.")
]
EncoderName = Annotated[
    str, typer.Option(help="NAME or NAME@PRECISION; empty: what embedding_service starts with.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    evaluations = typer.Typer(help="Measure how good answers are.", no_args_is_help=True)

    @evaluations.callback()
    def root() -> None:
        """Measure how good answers are."""

    evaluations.command("retrieval")(retrieval)
    evaluations.command("documents")(documents)
    app.add_typer(evaluations, name="eval")


def retrieval(
    dataset: DatasetPath,
    encoder: EncoderName = "",
    compare: Annotated[
        str, typer.Option(help="A second one, to put beside it: NAME, NAME@fp32, ...")
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take so many pictures (lines of a JSONL) at most.")
    ] = None,
    prompt: Annotated[
        str, typer.Option(help="How a label becomes a query; {} is the label.")
    ] = "a photo of a {}",
    report: Annotated[
        Path | None, typer.Option(help="Write a page with the worst failures here (HTML).")
    ] = None,
    failures: Annotated[int, typer.Option(min=1, help="How many of them.")] = 60,
    json_file: JsonFile = None,
) -> None:
    """Search for pictures whose descriptions are known, and count how often they are found.

    A line of a JSONL file: {"image": "path relative to the file", "captions": ["text", ...]}

    viewfinder eval retrieval captions.jsonl --compare mini --report failures.html

    viewfinder eval retrieval folder-of-labels --encoder ViT-B-32--laion2b_s34b_b79k@int8
    """
    from bench.contact_sheet import write_contact_sheet
    from bench.encoders import EncoderChoice, EncoderProblem
    from bench.figures import write_json
    from bench.retrieval import NamedEncoder, evaluate
    from bench.retrieval_dataset import DatasetProblem, read_dataset
    from bench.retrieval_table import show
    from viewfinder.pixels import PixelPool

    console = Console(highlight=False)
    try:
        for file in filter(None, (report, json_file)):
            if not file.absolute().parent.is_dir():
                raise fail(f"{file} cannot be written: its folder does not exist", WRONG_ARGUMENT)
        data = read_dataset(dataset, prompt=prompt, limit=limit)
        names = [encoder, compare] if compare else [encoder]
        choices = [EncoderChoice.of(name) for name in names]
        encoders = [NamedEncoder(choice.title, choice.load()) for choice in choices]
        with PixelPool() as pool:
            evaluation = evaluate(data, encoders, pool, Console(stderr=True))
            show(console, evaluation)
            if report is not None:
                write_contact_sheet(report, evaluation, pool, failures, title=dataset.name)
                console.print(f"Failures: {report}", markup=False, soft_wrap=True)
    except (DatasetProblem, EncoderProblem) as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except ArithmeticError as problem:
        raise fail(str(problem)) from None
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise fail(f"{error.strerror or error}{where}") from None
    if json_file is not None:
        write_json(evaluation.figures(), json_file)


def documents(
    seed: Annotated[int, typer.Option(help="Other documents with another one.")] = 0,
    target: Annotated[
        float, typer.Option(min=0, max=100, help="Percent of pages that hybrid must find first.")
    ] = 0,
    save: Annotated[
        Path | None, typer.Option(file_okay=False, help="Also write the documents here.")
    ] = None,
    json_file: JsonFile = None,
    api: Api = None,
) -> None:
    """Make 100 pages with known words, upload them, and ask for each of them in every mode.

    Invoices, letters, slides, receipts and screenshots: 40 pages have a text layer, 30 are
    scanned, 30 are plain pictures. Exit status 1: the target was missed.

    viewfinder eval documents --target 95 --json documents.json
    """
    from bench.document_pages import ReportlabMissing
    from bench.documents import NotReadError, evaluate_documents
    from bench.documents_table import show
    from bench.figures import write_json
    from bench.made_documents import made_documents
    from viewfinder.client import Client
    from viewfinder.errors import ViewfinderError
    from viewfinder.settings import load_settings

    try:
        made = list(made_documents(seed))
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)
            for one in made:
                (save / one.file_name).write_bytes(one.content)
        key = load_settings(ConnectionSettings).api_key or None
        with measured_gateway(api) as url, Client(url, api_key=key) as client:
            found = evaluate_documents(client, made, Console(stderr=True))
    except ReportlabMissing as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except (NotReadError, ViewfinderError) as problem:
        raise fail(str(problem)) from None
    show(Console(highlight=False), found)
    figures = found.figures()
    if json_file is not None:
        write_json(figures, json_file)
    if (reached := float(figures["hybrid_r_at_1"])) < target:
        raise fail(f"hybrid finds {reached:g} % of the pages first, the target is {target:g} %")
