"""``reir train``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli.arguments import Device, DeviceName

if TYPE_CHECKING:
    from reir.training import RelatingConfig
    from reir.training.runner import TrainReport

_EXAMPLES = """\b
Examples:
  reir train clare-tiny --smoke
  reir train clare-vit-b-stage1 --smoke
  reir train my-run.toml --out runs/mine --resume
  reir train vatex-refcoco --smoke
  reir train rpn-clip-refcoco --set data.dataset=refcoco/train.json --set data.images=coco/train2014"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(train)


def train(
    preset: Annotated[str, typer.Argument(metavar="PRESET|CONFIG.toml", help="A shipped preset, or your run file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting of the run file; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", show_default=False, help="Folder of the run; by default runs/NAME."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            metavar="DIR",
            show_default=False,
            help="Rendered scenes; by default the user's cache folder.",
        ),
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same run, everything small: a minute.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    from_step: Annotated[
        int | None,
        typer.Option(
            "--from-step",
            metavar="N",
            min=1,
            show_default=False,
            help="Go on from the checkpoint of step N, an older one that is kept.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that make batches.")] = 1,
    device: Device = DeviceName.auto,
) -> None:
    """Train a model: CLARE on emoji scenes or photographs, a detector with a tower on referring expressions, or VATEX.

    The model folder that it prints can be used with --model: clare:FOLDER, rcnn-clip:FOLDER or rpn-clip:FOLDER. That of
    VATEX paints masks: --mask vatex:FOLDER or --grounder vatex:FOLDER.
    """
    from reir.cli.console import note
    from reir.errors import UsageError
    from reir.training import RelatingConfig, TrainConfig, VatexTraining, load_config

    config = load_config(preset, settings or ())
    if smoke:
        config = config.smoke()
    folder = out or Path("runs") / (f"{config.name}-smoke" if smoke else config.name)
    if from_step is not None and not isinstance(config, TrainConfig | VatexTraining):
        raise UsageError(
            f"--from-step is for runs of the whole of CLARE and of VATEX; {config.name} keeps its last one: --resume"
        )
    if not (smoke or resume or from_step is not None) and (folder / "checkpoint.pt").is_file():
        raise UsageError(f"{folder} holds a run. Go on with it by --resume, or name another folder with --out")
    # Only now torch: a wrong run file is told at once.
    if isinstance(config, TrainConfig | VatexTraining):
        from platformdirs import user_cache_path

        scenes = cache or user_cache_path("reir") / "scenes"
        if isinstance(config, VatexTraining):
            from reir.training.vatex.run import train as train_vatex

            train_whole = partial(train_vatex, config)
        else:
            from reir.training.run import train as train_clare
            from reir.training.smoke import make_start

            if smoke:
                make_start(config, cache=scenes, workers=workers, device=device, log=note)
            train_whole = partial(train_clare, config)
        report = train_whole(
            out=folder, cache=scenes, resume=resume, from_step=from_step, workers=workers, device=device, log=note
        )
    elif isinstance(config, RelatingConfig):
        report = _train_relations(config, folder, cache, smoke=smoke, resume=resume, workers=workers, device=device)
    else:
        from reir.training.referring.run import train as train_referring

        report = train_referring(config, out=folder, resume=resume, device=device, log=note)
    print(report.folder)


def _train_relations(
    config: RelatingConfig,
    folder: Path,
    cache: Path | None,
    *,
    smoke: bool,
    resume: bool,
    workers: int,
    device: str,
) -> TrainReport:
    from platformdirs import user_cache_path

    from reir.cli.console import note
    from reir.training.relating.run import train as train_relating
    from reir.training.smoke import make_start

    scenes = cache or user_cache_path("reir") / "scenes"
    if smoke:
        make_start(config, cache=scenes, workers=workers, device=device, log=note)
    return train_relating(config, out=folder, cache=scenes, resume=resume, workers=workers, device=device, log=note)
