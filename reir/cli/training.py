"""``reir train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reir.cli.arguments import Device, DeviceName

_EXAMPLES = """\b
Examples:
  reir train clare-tiny --smoke
  reir train my-run.toml --out runs/mine --resume"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(train)


def train(
    preset: Annotated[str, typer.Argument(metavar="PRESET|CONFIG.toml", help="A shipped preset, or your run file.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", show_default=False, help="Folder of the run; by default runs/NAME."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", metavar="DIR", show_default=False, help="Rendered scenes; by default the user's cache folder."
        ),
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same run, everything small: a minute.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that make batches.")] = 1,
    device: Device = DeviceName.auto,
) -> None:
    """Train a model.

    The checkpoint folder that it prints can be used with --model clare:FOLDER.
    """
    from platformdirs import user_cache_path

    from reir.cli.console import note
    from reir.training import load_config

    config = load_config(preset)
    if smoke:
        config = config.smoke()
    # Only now torch: a wrong run file is told at once.
    from reir.training.run import train as run_training

    report = run_training(
        config,
        out=out or Path("runs") / (f"{config.name}-smoke" if smoke else config.name),
        cache=cache or user_cache_path("reir") / "scenes",
        resume=resume,
        workers=workers,
        device=device,
        log=note,
    )
    print(report.folder)
