"""``reir eval``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reir.cli.arguments import (
    STAGE_SECONDS,
    STAGE_TOP,
    Blend,
    DatabaseUrl,
    DatasetDb,
    DatasetImages,
    Device,
    DeviceName,
    Json,
    Rerank,
    StageSeconds,
    StageTop,
    parse_blend,
)

if TYPE_CHECKING:
    from reir.data.dataset import Dataset
    from reir.protocols import Model
    from reir.store import Index

_EXAMPLES = """\b
Examples:
  reir eval demo
  reir eval expressions.json --images val2017 --protocol official --json
  reir eval refs.json --db ~/Pictures/.reir --k 1 5 10 --iou 0.5 --rerank templates"""


class Protocol(StrEnum):
    """How box recall is counted."""

    official = "official"
    any = "any"
    both = "both"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval", epilog=_EXAMPLES)(evaluate)


def evaluate(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A JSON file of expressions, or a name: demo.")],
    images: DatasetImages = None,
    db: DatasetDb = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", show_default=False, help="Model; by default the index's, or the best."),
    ] = None,
    protocol: Annotated[Protocol, typer.Option("--protocol", help="How box recall is counted.")] = Protocol.both,
    k: Annotated[
        list[int] | None,
        typer.Option("--k", metavar="K...", show_default=False, help="Answers looked at; 1 5 10 by default."),
    ] = None,
    iou: Annotated[
        list[float] | None,
        typer.Option("--iou", metavar="T...", show_default=False, help="Overlaps to exceed; 0.5 0.7 0.9 by default."),
    ] = None,
    rerank: Rerank = None,
    stage_top: StageTop = STAGE_TOP,
    stage_seconds: StageSeconds = STAGE_SECONDS,
    blend: Blend = None,
    device: Device = DeviceName.auto,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Measure how well a model finds what expressions describe.

    BoxRecall by both protocols, image recall and in-image precision, each with its 95% interval.
    """
    from reir.cli.console import phase_bar, print_json, warn
    from reir.data.coco import load_dataset
    from reir.errors import UsageError
    from reir.evaluation import evaluate as run_evaluation
    from reir.evaluation import format_report
    from reir.metrics import IOUS, KS
    from reir.models import load_model
    from reir.rerank import StagePlan
    from reir.store import Index

    if images is not None and db is not None:
        raise UsageError("--images and --db exclude each other: an index has its pictures already")
    data = load_dataset(dataset, images=images)
    if db is not None:
        index = Index.open(db, database_url=database_url)
        scorer = load_model(model or index.info.model.name, device=device)
    else:
        scorer = load_model(model or "auto", device=device)
        index = cached_index(data, scorer)
    with index.snapshot() as snapshot, phase_bar() as progress:
        found = run_evaluation(
            snapshot,
            scorer,
            data,
            protocol=protocol.value,
            ks=k or KS,
            ious=iou or IOUS,
            stages=StagePlan(tuple(rerank or ()), top=stage_top, seconds=stage_seconds),
            blend=parse_blend(blend),
            progress=progress,
        )
    warn(found.warnings)
    if json_output:
        print_json(found.to_json())
    else:
        print(format_report(found))


def cached_index(data: Dataset, model: Model) -> Index:
    """The index of a data set's pictures by this model in the user's cache folder, brought up to date.

    Raises:
        DatasetError: the pictures are not there.
    """
    import hashlib

    from platformdirs import user_cache_path

    from reir.cli.console import note, progress_bar, warn
    from reir.errors import DatasetError
    from reir.indexer import open_or_create, run_index

    root = data.images_root.resolve()
    if not root.is_dir():
        raise DatasetError(f"the pictures of {data.name} are not in {root}. Say where they are: --images DIR")
    key = hashlib.blake2b(f"{root}\n{model.identity.fingerprint}".encode(), digest_size=8).hexdigest()
    index = open_or_create(root, model, db=user_cache_path("reir") / "eval" / f"{data.name}-{key}")
    with progress_bar() as progress:
        report = run_index(index, model, progress=progress)
    warn(report.messages)
    if report.new or report.changed:
        note(f"indexed {root} for this: {report.new + report.changed:,} pictures")
    return index
