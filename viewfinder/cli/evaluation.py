"""`viewfinder eval ...`: how good an encoder is on your own pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli.connection import WRONG_ARGUMENT, fail

RETRIEVAL_HELP = """Does a text find its picture? Recall, precision and rank of an encoder.

DATASET is a JSONL file, {"image": PATH, "captions": [TEXT, ...]} a line, or a folder of folders of
pictures, each named by what its pictures show.

    viewfinder eval retrieval captions.jsonl --report failures.html

    viewfinder eval retrieval pictures/ --encoder mini --compare ViT-B-32--laion2b_s34b_b79k

Exit status: 0 measured; 2 wrong dataset or encoder.
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    evaluation = typer.Typer(
        help="Measure how well an encoder finds pictures.", no_args_is_help=True
    )

    @evaluation.callback()
    def root() -> None:
        """More kinds of evaluation will follow."""

    evaluation.command("retrieval", help=RETRIEVAL_HELP)(retrieval)
    app.add_typer(evaluation, name="eval")


def retrieval(
    dataset: Annotated[Path, typer.Argument(help="A JSONL file, or a folder of label folders.")],
    encoder: Annotated[
        str, typer.Option(help="Its name, see `viewfinder models list`; else the settings' one.")
    ] = "",
    compare: Annotated[
        str, typer.Option(help="Another encoder, measured on the same, side by side.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many pictures.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the failures as a page with pictures (HTML).")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here as one flat object.")
    ] = None,
) -> None:
    """See RETRIEVAL_HELP."""
    from rich.console import Console

    from bench.contact_sheet import write_contact_sheet
    from bench.datasets import WrongDataset, load
    from bench.encoders import encoder_of
    from bench.figures import write_json
    from bench.retrieval import compared, evaluate
    from bench.retrieval_table import show
    from viewfinder.pixels import PixelPool

    console = Console(highlight=False)
    try:
        questions = load(dataset).first(limit or sys.maxsize)
        with PixelPool() as pool:
            first = evaluate(encoder_of(encoder), questions, pool, console)
            second = evaluate(encoder_of(compare), questions, pool, console) if compare else None
            show(console, first, second)
            if report is not None:
                shown = write_contact_sheet(second or first, pool, report)
                console.print(f"{shown} failures with their pictures: {report}")
    except (WrongDataset, LookupError) as error:
        raise fail(str(error), WRONG_ARGUMENT) from None
    if json_file is not None:
        write_json(first.figures if second is None else compared(first, second), json_file)
