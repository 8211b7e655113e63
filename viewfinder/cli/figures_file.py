"""Where commands write their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from viewfinder.cli.connection import WRONG_ARGUMENT, fail

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the figures here as one flat object.")
]


def check_folders(*files: Path | None) -> None:
    """Before minutes of measuring: files can be written where they are wanted."""
    for file in filter(None, files):
        if not file.absolute().parent.is_dir():
            raise fail(f"{file} cannot be written: its folder does not exist", WRONG_ARGUMENT)
