"""``reir eval``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
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
    from reir.evaluation import Evaluation, System
    from reir.protocols import Grounder, Model
    from reir.rerank import StagePlan
    from reir.store import Index

_EXAMPLES = """\b
Examples:
  reir eval demo
  reir eval expressions.json --images val2017 --protocol official --json
  reir eval refs.json --db ~/Pictures/.reir --k 1 5 10 --iou 0.5 --rerank templates
  reir eval refcoco/ --images train2014 --task rec --model clare:runs/stage2
  reir eval sets/ --images train2014 --task ris --model sam-clip --mask stored
  reir eval refs.json --images val2017 --task ris --grounder vatex:runs/vatex
  reir eval demo --task tir --model picture-clip:ViT-B-16-SigLIP__webli
  reir eval demo --retriever ViT-B-16-SigLIP__webli --model rcnn-clip --rerank templates"""


class Protocol(StrEnum):
    """How box recall is counted."""

    official = "official"
    any = "any"
    both = "both"


class Task(StrEnum):
    """What is asked for."""

    reir = "reir"
    rec = "rec"
    ris = "ris"
    tir = "tir"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval", epilog=_EXAMPLES)(evaluate)


def evaluate(
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...", help="JSON files of expressions, folders of them, or names: demo. Several: one table."
        ),
    ],
    task: Annotated[
        Task,
        typer.Option(
            "--task",
            help="reir: boxes in the whole gallery; rec: the box inside the right picture; ris: the mask inside the "
            "right picture; tir: the picture alone.",
        ),
    ] = Task.reir,
    images: DatasetImages = None,
    db: DatasetDb = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", show_default=False, help="Model; by default the index's, or the best."),
    ] = None,
    grounder: Annotated[
        str | None,
        typer.Option(
            "--grounder",
            metavar="NAME",
            show_default=False,
            help="For --task rec and ris, in place of a model: a method that finds the object in the picture by "
            "itself, without an index.",
        ),
    ] = None,
    retriever: Annotated[
        str | None,
        typer.Option(
            "--retriever",
            metavar="TOWER",
            show_default=False,
            help="Two stages: this ranks the pictures, the model gives a box in each of the first. A tower of "
            "open_clip (ARCH__PRETRAINED or a folder) or any model.",
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth", metavar="K", show_default=False, help="Pictures of the retriever that get a box; the largest k."
        ),
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
    save_outcomes: Annotated[
        Path | None,
        typer.Option(
            "--save-outcomes",
            metavar="FILE",
            show_default=False,
            help="Write every query's ranks to a Parquet file.",
        ),
    ] = None,
    compare_with: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            show_default=False,
            help="Tell the difference to the system whose outcomes were saved there, on the same expressions.",
        ),
    ] = None,
    rerank: Rerank = None,
    refine: Annotated[
        str | None,
        typer.Option("--refine", metavar="NAME", show_default=False, help="Stage that betters the best boxes."),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="NAME",
            show_default=False,
            help="Stage that finds masks, for --task ris; without a mask the filled box counts.",
        ),
    ] = None,
    stage_top: StageTop = STAGE_TOP,
    stage_seconds: StageSeconds = STAGE_SECONDS,
    blend: Blend = None,
    device: Device = DeviceName.auto,
    json_output: Json = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Measure how well a model finds what expressions describe, each figure with its 95% interval.

    By default BoxRecall by both protocols, image recall and in-image precision over the pictures of the data set, or of
    --db. With --task rec, the precision inside the right picture alone; with --task ris, the same of masks with mIoU,
    oIoU and object-centric IoU; with --task tir, image recall alone. Forward passes are counted.
    """
    from reir.cli.console import phase_bar, print_json, warn
    from reir.data.coco import load_dataset
    from reir.errors import UsageError
    from reir.evaluation import SavedOutcomes, compare, evaluate_system, format_comparison, format_report, format_table
    from reir.metrics import IOUS, KS
    from reir.models import load_grounder, load_model
    from reir.rerank import StagePlan
    from reir.store import Index

    if mask is not None and task is not Task.ris:
        raise UsageError(f"--mask changes nothing of --task {task}: masks are measured with --task ris")
    if grounder is not None:
        _require_grounder_alone(task, {"--model": model, "--db": db, "--retriever": retriever, "--blend": blend})
    if images is not None and db is not None:
        raise UsageError("--images and --db exclude each other: an index has its pictures already")
    if retriever is None and depth is not None:
        raise UsageError("--depth is of two stages: name the first with --retriever")
    if retriever is not None and task is not Task.reir:
        raise UsageError(f"--task {task} has one stage: leave --retriever out, and name what is measured with --model")
    files = dataset_files(datasets)
    if len(files) > 1 and (save_outcomes is not None or compare_with is not None):
        raise UsageError("--save-outcomes and --compare are of one data set: measure it alone")
    other = None if compare_with is None else SavedOutcomes.load(compare_with)
    if save_outcomes is not None and save_outcomes.is_dir():
        raise UsageError(f"{save_outcomes} is a folder: give --save-outcomes a file")
    sets = [load_dataset(file, images=images, masks=task is Task.ris) for file in files]
    if other is not None:
        other.require_queries_of(sets[0], task.value)
    stages = StagePlan(tuple(rerank or ()), refine=refine, mask=mask, top=stage_top, seconds=stage_seconds)
    index = None if db is None else Index.open(db, database_url=database_url)
    bench: _Bench | _GrounderBench
    if grounder is not None:
        bench = _GrounderBench(load_grounder(grounder, device=device), stages)
    else:
        bench = _Bench(
            index,
            load_model(model or ("auto" if index is None else index.info.model.name), device=device),
            None if retriever is None else load_model(retriever_name(retriever), device=device),
            depth=depth,
            stages=stages,
            blend=parse_blend(blend),
            task=task,
        )
    found: list[Evaluation] = []
    for data in sets:
        with bench.system(data) as system, phase_bar() as progress:
            found.append(
                evaluate_system(
                    system,
                    data,
                    task=task.value,
                    protocol=protocol.value,
                    ks=k or KS,
                    ious=iou or IOUS,
                    progress=progress,
                )
            )
    warn(dict.fromkeys(warning for evaluation in found for warning in evaluation.warnings))
    if save_outcomes is not None:
        found[0].outcomes.save(save_outcomes)
    comparison = None if other is None else compare(found[0].outcomes, other, ks=found[0].ks)
    several = len(files) > 1 or files != datasets
    if json_output:
        records = [evaluation.to_json() for evaluation in found]
        if comparison is not None:
            records[0]["comparison"] = comparison.to_json()
        print_json({"task": task.value, "datasets": records} if several else records[0])
    else:
        print(format_table(found) if several else format_report(found[0]))
        if comparison is not None:
            print(f"\n{format_comparison(comparison)}")


def dataset_files(given: Sequence[str]) -> list[str]:
    """The data sets that are meant: names and files as they are, and for a folder its JSON files but training splits.

    Raises:
        DatasetError: a folder has none.
    """
    from reir.data.registry import registered_datasets
    from reir.errors import DatasetError

    files: list[str] = []
    known = {entry.name for entry in registered_datasets()}
    for name in given:
        inside = [name]
        if name not in known and Path(name).is_dir():
            inside = sorted(str(path) for path in Path(name).glob("*.json") if not path.stem.endswith("train"))
        if not inside:
            raise DatasetError(f"the folder {name} has no JSON files of expressions. Make them with: reir data convert")
        files += inside
    return files


def retriever_name(name: str) -> str:
    """The model that ranks pictures: a bare tower of open_clip, ``ARCH__PRETRAINED``, embeds them whole."""
    is_tower = "__" in name and ":" not in name.partition("__")[0] and not Path(name).is_dir()
    return f"picture-clip:{name}" if is_tower else name


def _require_grounder_alone(task: Task, others: Mapping[str, object]) -> None:
    """Returns when a grounder can do the task and nothing else is asked to."""
    from reir.errors import UsageError

    if task not in (Task.rec, Task.ris):
        raise UsageError(f"a grounder looks inside the right picture: measure it with --task rec or ris, not {task}")
    given = [option for option, value in others.items() if value]
    if given:
        raise UsageError(f"--grounder and {given[0]} exclude each other: it works without a model and its index")


@dataclass(frozen=True, slots=True)
class _GrounderBench:
    """A grounder to be measured, for one data set after another."""

    grounder: Grounder
    stages: StagePlan

    @contextmanager
    def system(self, data: Dataset) -> Iterator[System]:
        """The system over the pictures of ``data``."""
        from reir.evaluation import Grounded

        yield Grounded(self.grounder, images=len(data.images), stages=self.stages)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What was asked to be measured, for one data set after another; without an ``index`` each gets its own."""

    index: Index | None
    model: Model
    retriever: Model | None
    depth: int | None
    stages: StagePlan
    blend: Mapping[str, float] | None
    task: Task

    @contextmanager
    def system(self, data: Dataset) -> Iterator[System]:
        """The system over the pictures of ``data``."""
        from reir.cli.galleries import dataset_index, twin_index
        from reir.evaluation import OneStage, TwoStage

        own = self.index or dataset_index(data, self.model, shared=self.task in (Task.rec, Task.ris))
        if self.retriever is None:
            with own.snapshot() as snapshot:
                yield OneStage(snapshot, self.model, stages=self.stages, blend=self.blend)
            return
        first = dataset_index(data, self.retriever) if self.index is None else twin_index(self.index, self.retriever)
        with first.snapshot() as pictures, own.snapshot() as snapshot:
            yield TwoStage(
                pictures,
                self.retriever,
                snapshot,
                self.model,
                depth=self.depth,
                stages=self.stages,
                blend=self.blend,
            )
