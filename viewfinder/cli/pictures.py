"""The commands about pictures: index, search, similar, show, delete."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
