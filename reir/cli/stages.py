"""``reir stages``."""

from __future__ import annotations

from dataclasses import asdict

import typer

from reir.cli.arguments import Json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="\b\nExample:\n  reir stages")(stages)


def stages(json_output: Json = False) -> None:
    """List the stages that look again at the best hits, and the grounders that find a box by themselves."""
    from reir.cli.console import print_json
    from reir.models import list_grounders
    from reir.rerank import list_stages

    entries, grounders = list_stages(), list_grounders()
    if json_output:
        print_json({"stages": [asdict(one) for one in entries], "grounders": [asdict(one) for one in grounders]})
        return
    for entry in entries:
        print(f"--{entry.kind} {entry.name}\n    {entry.summary}\n    for indexes of: {entry.works_with}")
        if entry.weights:
            print("    needs weights of its own")
    for grounder in grounders:
        print(f"--grounder {grounder.name}\n    {grounder.summary}\n    for reir ground")
