"""All commands under one name, and what happens around each of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from reir.cli import data, demo, evaluation, ground, indexing, models, search, serve, stages, training, upkeep
from reir.cli.arguments import spread_numbers
from reir.cli.failure import report

_FIRST_STEPS = """\b
First steps:
  reir demo
  reir index ~/Pictures
  cd ~/Pictures && reir search "red cup on a table\""""

app = typer.Typer(
    name="reir",
    help="Finds the object you describe, in all your pictures, and shows where it is.",
    epilog=_FIRST_STEPS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: drawing it with rich costs a third of the start-up time.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (indexing, search, ground, stages, serve, upkeep, evaluation, training, demo):
    group.register(app)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        from reir import __version__

        print(f"reir {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="REIR_DEBUG", help="Show where in the code an error arose.")
    ] = False,
) -> None:
    """Options of every command."""


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command: 0 done, 1 failed, 2 usage, 3 done but for images that cannot be read, 130 stopped.

    ``arguments`` are by default those of the process, without the program's name.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=spread_numbers(given), prog_name="reir")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except (KeyboardInterrupt, Exception) as error:
        return report(error, debug="--debug" in given or bool(os.environ.get("REIR_DEBUG")))
    return 0
