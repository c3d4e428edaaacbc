"""``reir stages``."""

from __future__ import annotations

from dataclasses import asdict

import typer

from reir.cli.arguments import Json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExample:\n  reir stages")(stages)


def stages(json_output: Json = False) -> None:
    """List the stages that look again at the best hits of a search."""
    from reir.cli.console import print_json
    from reir.rerank import list_stages

    entries = list_stages()
    if json_output:
        print_json({"stages": [asdict(entry) for entry in entries]})
        return
    for entry in entries:
        print(f"--{entry.kind} {entry.name}\n    {entry.summary}\n    for indexes of: {entry.works_with}")
