"""``reir models calibrate``: what a model's scores mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli.arguments import DatabaseUrl, DatasetDb, DatasetImages, Device, DeviceName, Json

if TYPE_CHECKING:
    from reir.evaluation import CalibrationReport
    from reir.protocols import Model

_EXAMPLES = """\b
Examples:
  reir data synth scenes --split validation --images 1500
  reir models calibrate clare-tiny scenes/validation.json
  reir models calibrate clare:checkpoint refs.json --images photos"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=_EXAMPLES)(calibrate)


def calibrate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model: clare-tiny, clare:FOLDER.")],
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A JSON file of expressions with their boxes, kept apart from those you test with."
        ),
    ],
    images: DatasetImages = None,
    db: DatasetDb = None,
    precision: Annotated[
        float,
        typer.Option(
            "--precision",
            metavar="P",
            help='How often "nothing fits" shall be right, where half of the questions have no answer.',
        ),
    ] = 0.9,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", show_default=False, help="Write here; by default beside the model's weights."
        ),
    ] = None,
    device: Device = DeviceName.auto,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Learn what a model's scores mean, so that hits carry a probability and answers say when nothing fits.

    Every expression is put to galleries with and without what it describes, of several sizes. Indexes stay as they
    are: searches use the calibration from now on. The figures shown are of expressions left out of the fit.
    """
    from reir.cli.console import note, phase_bar, print_json
    from reir.cli.galleries import dataset_index
    from reir.data.coco import load_dataset
    from reir.errors import UsageError
    from reir.evaluation import calibrate as run_calibration
    from reir.models import load_model
    from reir.store import Index

    if images is not None and db is not None:
        raise UsageError("--images and --db exclude each other: an index has its pictures already")
    model = load_model(name, device=device)
    target = out if out is not None else _beside_weights(model)
    data = load_dataset(dataset, images=images)
    index = dataset_index(data, model) if db is None else Index.open(db, database_url=database_url)
    with index.snapshot() as snapshot, phase_bar() as progress:
        report = run_calibration(snapshot, model, data, precision=precision, progress=progress)
    report.calibration.save(target)
    if json_output:
        print_json(report.to_json())
    else:
        _print_report(report)
    note(f"calibration: {target}")


def _beside_weights(model: Model) -> Path:
    from reir.errors import UsageError
    from reir.models import CALIBRATION_FILE
    from reir.models.clare.model import ClareModel

    if not isinstance(model, ClareModel):
        raise UsageError(f"{model.identity.name} has no folder of weights. Say where to write: --out FILE")
    return model.folder / CALIBRATION_FILE


def _print_report(report: CalibrationReport) -> None:
    print("                      first hit               nothing fits")
    print("pictures  instances   ECE                     precision               recall")
    for figures in report.by_size:
        claims = figures.no_match
        print(
            f"{figures.pictures:>8,}  {figures.instances:>9,}   {_share(figures.hits.ece, figures.hits.interval):<22}"
            f"  {_share(claims.precision, claims.precision_interval):<22}"
            f"  {_share(claims.recall, claims.recall_interval)}"
        )
    queries = report.by_size[-1].hits.queries
    print(
        f"Percent with 95% bootstrap intervals; {queries:,} expressions a row, half of them without an answer, "
        f"none of them fitted on.\nNothing fits where the chance that anything does is below "
        f"{report.calibration.threshold:.2f}."
    )


def _share(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "never said"
    return f"{100 * value:.1f} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
