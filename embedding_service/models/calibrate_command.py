"""`viewfinder models calibrate`: relevance for the models of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from embedding_service.encoder_loading import MINI, load_encoder
from embedding_service.models.command_line import (
    NOT_DONE,
    WRONG_ARGUMENT,
    Model,
    fail,
    opened_store,
    problems,
)
from embedding_service.models.problems import UnknownModel


def calibrate(
    model: Model,
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET...",
            help="JSONL files of captions, or folders with one folder a label.",
        ),
    ],
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take so many pictures of each at most.")
    ] = None,
) -> None:
    """Fit what turns a model's cosines into the relevance of search results, and keep it with it.

    One half of the pictures and queries is fitted on, the other judged on: look at the tables.
    Some hundreds of pictures as you have them, with a sentence or a label each, are enough.

    viewfinder models calibrate ViT-B-32--laion2b_s34b_b79k captions.jsonl
    """
    from bench.calibrate import calibrate as fit
    from bench.calibrate import read_material
    from bench.calibration_table import show
    from bench.retrieval_dataset import DatasetProblem
    from embedding_service.calibration_file import store_calibration
    from viewfinder.pixels import PixelPool

    with problems():
        settings, store = opened_store()
        if model == MINI:
            raise UnknownModel(f"{MINI} carries its calibration with it")
        model = store.resolve(model)
        revision = store.get(model).revision
        encoder = load_encoder(settings.model_copy(update={"clip_vector_dim": 0}), model)
        try:
            with PixelPool() as pool:
                bars = Console(stderr=True)
                materials = [read_material(path, encoder, pool, bars, limit) for path in datasets]
            calibration, worth = fit(model, revision, materials)
        except DatasetProblem as problem:
            raise fail(str(problem), WRONG_ARGUMENT) from None
        except ArithmeticError as problem:
            raise fail(str(problem), NOT_DONE) from None
        console = Console(highlight=False)
        show(console, calibration, worth)
        path = store_calibration(settings.models_dir, calibration)
        console.print(f"Kept: {path}", markup=False, soft_wrap=True)
        console.print("It is used from the next start of embedding_service.")
