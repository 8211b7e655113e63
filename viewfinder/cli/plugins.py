"""Commands that services bring: entry points of the group `viewfinder.commands`.

The shared package knows no service, so it finds them by name. A command's module is imported only
when the command is called: others stay quick.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import typer

GROUP = "viewfinder.commands"
_HELP = {"models": "Bring OpenCLIP models, check them, choose one."}


def register(app: typer.Typer) -> None:
    """Add what is installed."""
    for point in entry_points(group=GROUP):
        _add(app, point)


def _add(app: typer.Typer, point: EntryPoint) -> None:
    def run(context: typer.Context) -> None:
        command: typer.Typer = point.load()
        command(context.args, prog_name=f"viewfinder {point.name}")

    app.command(
        point.name,
        help=_HELP.get(point.name, f"See `viewfinder {point.name} --help`."),
        add_help_option=False,
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "help_option_names": [],  # --help is for the command itself
        },
    )(run)
