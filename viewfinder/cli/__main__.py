"""The `viewfinder` command: its modules register what they offer, one concept each."""

from __future__ import annotations

from typing import Annotated

import typer

from viewfinder import __version__
from viewfinder.cli import (
    backup,
    bench,
    demo,
    describing,
    evaluation,
    pictures,
    plugins,
    questions,
    reindex,
    simulation,
    supervision,
)

HELP = """Describe a picture and it is there.

Start everything on this machine, give it a folder of pictures, and search:

    viewfinder up --detach

    viewfinder index ~/Pictures --recursive

    viewfinder search "a cat on a sofa"

Exit status: 0 done; 1 something did not work out (the last line says what); 2 a wrong argument or
setting, or something that must be put right first; 130 stopped with Ctrl-C (`up`: 0).
"""


def make_app() -> typer.Typer:
    """The command with all its subcommands."""
    app = typer.Typer(
        name="viewfinder",
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option("--version", help="Print the version and exit.", callback=_print_version),
        ] = False,
    ) -> None:
        pass

    root.__doc__ = HELP
    supervision.register(app)
    pictures.register(app)
    questions.register(app)
    describing.register(app)
    reindex.register(app)
    backup.register(app)
    demo.register(app)
    bench.register(app)
    simulation.register(app)
    evaluation.register(app)
    plugins.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"viewfinder {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    make_app()()


if __name__ == "__main__":
    main()
