"""``reir models``: which models there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from reir.cli.arguments import Json

app = typer.Typer(help="List the models and show what is known of one.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list", epilog="\b\nExample:\n  reir models list")
def list_(json_output: Json = False) -> None:
    """List the models that can be named with --model."""
    from reir.cli.console import print_json
    from reir.models import list_models

    entries = list_models()
    if json_output:
        print_json({"models": [asdict(entry) for entry in entries]})
        return
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        print(f"{entry.name:<{width}}  {entry.summary}")


@app.command(epilog="\b\nExample:\n  reir models show clare-tiny")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from the list.")], json_output: Json = False
) -> None:
    """Show what is known of one model: its world, licence, size and paper."""
    from reir.cli.console import print_json
    from reir.models import model_entry

    facts = asdict(model_entry(name))
    if json_output:
        print_json(facts)
        return
    for label, value in facts.items():
        if value is not None:
            print(f"{label:<10}  {value}")
