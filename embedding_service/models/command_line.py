"""What the commands about models share: the store of the settings, and errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from embedding_service.encoder_loading import UnknownEncoder
from embedding_service.models.problems import ModelProblem, UnknownModel
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings
from viewfinder.settings import load_settings

NOT_DONE = 1
WRONG_ARGUMENT = 2

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As `viewfinder models list` has it.")]


@contextmanager
def problems() -> Iterator[None]:
    """One message and an exit status instead of a traceback."""
    try:
        yield
    except (UnknownModel, UnknownEncoder) as problem:
        raise fail(str(problem), WRONG_ARGUMENT) from None
    except ModelProblem as problem:
        raise fail(str(problem), NOT_DONE) from None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise fail(f"{error.strerror or error}{where}; nothing was stored", NOT_DONE) from None


def fail(text: str, status: int) -> typer.Exit:
    """Say why on standard error; raise what is returned."""
    Console(stderr=True, highlight=False).print(text, style="red", soft_wrap=True, markup=False)
    return typer.Exit(status)


def opened_store() -> tuple[EmbeddingSettings, ModelStore]:
    """The settings, and the store they name."""
    settings = load_settings(EmbeddingSettings)
    return settings, ModelStore(settings.models_dir)
