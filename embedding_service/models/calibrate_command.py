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
from embedding_service.models.problems import ModelProblem, UnknownModel
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings


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
    Some hundreds of pictures as you have them, with a sentence or a label each, are enough; of a
    document model, pages as pictures, with what one would ask for to find them.

    viewfinder models calibrate ViT-B-32--laion2b_s34b_b79k captions.jsonl

    viewfinder models calibrate colqwen2-v1.0 pages.jsonl
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
        if document := _document_model(store, model):
            _calibrate_late(settings, store, document, datasets, limit)
            return
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


def _document_model(store: ModelStore, model: str) -> str:
    """The id of the document model that is meant; empty where none is."""
    try:
        return store.resolve_document(model)
    except ModelProblem:
        return ""


def _calibrate_late(
    settings: EmbeddingSettings,
    store: ModelStore,
    model: str,
    datasets: list[Path],
    limit: int | None,
) -> None:
    from bench.calibrate_late import calibrate_late, read_splits, show
    from bench.retrieval_dataset import DatasetProblem
    from embedding_service.calibration_file import late_revision, store_late_calibration
    from embedding_service.document_loading import load_document_encoder
    from viewfinder.pixels import PixelPool

    pooling = settings.token_pooling
    revision = late_revision(store.get_document(model), pooling)
    encoder = load_document_encoder(settings.model_copy(update={"document_model": model}))
    assert encoder is not None
    try:
        with PixelPool() as pool:
            bars = Console(stderr=True)
            splits = [
                split
                for path in datasets
                for split in read_splits(path, encoder, pool, bars, limit)
            ]
        names = ", ".join(path.absolute().stem for path in datasets)
        calibration, worth = calibrate_late(model, revision, splits, names)
    except DatasetProblem as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except ArithmeticError as problem:
        raise fail(str(problem), NOT_DONE) from None
    console = Console(highlight=False)
    show(console, calibration, worth)
    path = store_late_calibration(settings.models_dir, calibration, pooling)
    console.print(f"Kept: {path}", markup=False, soft_wrap=True)
    console.print("It is used from the next start of embedding_service.")
