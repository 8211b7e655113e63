"""`viewfinder up | down | status`: every process of Viewfinder on this machine."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
