"""The figures of a system on a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from reir.data.dataset import SIZE_CLASSES, Dataset, Query, SizeClass
from reir.errors import DatasetError, UsageError
from reir.evaluation.figures import task_outcomes
from reir.evaluation.one_stage import OneStage
from reir.evaluation.painted import Painted
from reir.evaluation.progress import Progress, silent
from reir.evaluation.result import Evaluation, Figures, SizeRule
from reir.evaluation.saved_outcomes import SavedOutcomes
from reir.evaluation.system import TASKS, System, Task
from reir.metrics import IOUS, KS, PROTOCOLS, intervals, shares
from reir.metrics import Protocol as MetricProtocol
from reir.metrics.figures import PRECISION_IOU, Outcomes
from reir.protocols import Model
from reir.rerank import StagePlan

if TYPE_CHECKING:
    from reir.store import Snapshot

ProtocolName = Literal["official", "any", "both"]

_SMALL_AREA, _MEDIUM_AREA = 32**2, 96**2


def evaluate(
    snapshot: Snapshot,
    model: Model,
    dataset: Dataset,
    *,
    task: Task = "reir",
    protocol: ProtocolName = "both",
    ks: Sequence[int] = KS,
    ious: Sequence[float] = IOUS,
    seed: int = 0,
    stages: StagePlan | None = None,
    blend: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """BoxRecall, image recall and in-image precision of ``model`` on ``dataset`` over all instances of ``snapshot``.

    `evaluate_system` of a `OneStage`, which says what the other arguments and errors are.

    Args:
        snapshot: an index that holds every picture of the data set; other pictures of it are part of the gallery.
        model: the one that made the index.
        dataset: expressions and what they refer to.
        task: what is asked for.
        protocol: how box recall is counted.
        ks: numbers of answers that are looked at.
        ious: thresholds that an overlap must exceed.
        seed: of the bootstrap.
        stages: stages that look again at the best instances of each query; the ranks after them count.
        blend: numbers that mix the parts of the model's score, in place of its own.
        progress: told how far it is.
    """
    return evaluate_system(
        OneStage(snapshot, model, stages=stages, blend=blend),
        dataset,
        task=task,
        protocol=protocol,
        ks=ks,
        ious=ious,
        seed=seed,
        progress=progress,
    )


def evaluate_system(
    system: System,
    dataset: Dataset,
    *,
    task: Task = "reir",
    protocol: ProtocolName = "both",
    ks: Sequence[int] = KS,
    ious: Sequence[float] = IOUS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """The figures of any system (`OneStage`, `TwoStage`) on ``dataset``, each with its 95% interval.

    ``reir``: BoxRecall, image recall and in-image precision. ``rec``: the precision inside the right picture at 0.5 and
    at each of ``ious``, and the mean IoU; no gallery is looked at. ``ris``: the same of masks, the overall IoU and the
    object-centric IoU; ``dataset`` is loaded with masks. ``tir``: image recall. Memory is that of the query
    vectors and of one block of the gallery. Ambiguous expressions are measured by protocol ``any`` alone, and apart.

    Args:
        system: what is measured; its index holds every picture of the data set.
        dataset: expressions and what they refer to.
        task: what is asked for.
        protocol: how box recall is counted, see ``docs/metrics.md``.
        ks: numbers of answers that are looked at.
        ious: thresholds that an overlap must exceed.
        seed: of the bootstrap.
        progress: told how far it is.

    Raises:
        UsageError: an option out of range, or a task that the system cannot do.
        ModelMismatchError: the index was made by another model.
        PicturesMissingError: the index lacks pictures of the data set.
        DatasetError: the data set has no expressions, or for ``ris`` an object of it has no true mask.
    """
    if task not in TASKS:
        raise UsageError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
    protocols = _protocols(protocol)
    ks, ious = _checked(ks, ious)
    if not dataset.queries:
        raise DatasetError(f"data set {dataset.path} has no expressions to measure")
    with_ambiguous = task == "reir" and "any" in protocols
    queries: list[Query] = [*dataset.queries, *(dataset.ambiguous if with_ambiguous else ())]
    answers = system.answer(
        dataset, queries, task=task, ious=ious, depth=max(ks), tell=progress if progress is not None else silent
    )

    right = task_outcomes(answers.ranks, task, protocols, ks, ious)
    measured = _Measured(right, answers.painted, ious, seed)
    unique = np.arange(len(queries)) < len(dataset.queries)
    sizes, size_rule = _sizes(dataset.queries)
    kinds = [query.kind for query in dataset.queries]
    facts = system.facts
    return Evaluation(
        dataset=dataset.name,
        model=facts.model,
        fingerprint=facts.fingerprint,
        snapshot=facts.snapshot,
        images=facts.images,
        instances=facts.instances,
        ks=ks,
        ious=ious,
        overall=measured.figures(unique),
        by_kind={kind: measured.of(kinds, kind) for kind in sorted({kind for kind in kinds if kind is not None})},
        by_size={size: measured.of(sizes, size) for size in SIZE_CLASSES if size in sizes},
        size_rule=size_rule,
        ambiguous=None if unique.all() else measured.by_any(~unique),
        timings_ms=answers.timings_ms,
        warnings=[*answers.warnings, *_left_out(dataset, task)],
        stages=facts.stages,
        task=task,
        retriever=facts.retriever,
        cost=answers.cost,
        masks=None if answers.painted is None else answers.painted.to_json(),
        system=facts.title,
        outcomes=SavedOutcomes.of(dataset, task, facts.title, answers.ranks),
    )


def _protocols(protocol: str) -> tuple[MetricProtocol, ...]:
    chosen = tuple(name for name in PROTOCOLS if protocol in (name, "both"))
    if not chosen:
        raise UsageError(f"protocol must be official, any or both, got {protocol!r}")
    return chosen


def _checked(ks: Sequence[int], ious: Sequence[float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    if not ks or min(ks) < 1:
        raise UsageError(f"k must be at least 1, got {list(ks)}")
    if not ious or not all(0 <= iou < 1 for iou in ious):
        raise UsageError(f"iou must be from 0 to below 1, got {list(ious)}")
    return tuple(sorted(set(ks))), tuple(sorted(set(ious)))


def _left_out(dataset: Dataset, task: Task) -> list[str]:
    if task == "reir" or not dataset.ambiguous:
        return []
    return [f"ambiguous expressions of {dataset.name}, which the task {task} leaves out: {len(dataset.ambiguous)}"]


def _sizes(queries: Sequence[Query]) -> tuple[list[SizeClass], SizeRule]:
    given = [query.targets[0].size for query in queries]
    known = [size for size in given if size is not None]
    if len(known) == len(queries):
        return known, "dataset"
    areas = [query.targets[0].area for query in queries]
    return ["small" if area < _SMALL_AREA else "medium" if area < _MEDIUM_AREA else "large" for area in areas], "coco"


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is right of every query, with the masks where the task asks for them."""

    right: Outcomes
    painted: Painted | None
    ious: Sequence[float]
    seed: int

    def figures(self, chosen: npt.NDArray[np.bool_]) -> Figures:
        """Of the ``chosen`` (Q,) queries."""
        if self.painted is not None:
            found = self.painted.figures(chosen, ious=sorted({PRECISION_IOU, *self.ious}), seed=self.seed)
        else:
            found = shares(self.right, chosen), intervals(self.right, chosen, seed=self.seed)
        return Figures(int(chosen.sum()), *found)

    def of(self, classes: Sequence[str | None], wanted: str) -> Figures:
        """Of the queries of one class."""
        chosen = np.zeros(len(next(iter(self.right.values()))), dtype=bool)
        chosen[: len(classes)] = [name == wanted for name in classes]
        return self.figures(chosen)

    def by_any(self, chosen: npt.NDArray[np.bool_]) -> Figures:
        """Of the ``chosen`` (Q,) queries, by protocol ``any`` alone."""
        kept = {path: right for path, right in self.right.items() if path[0] == "any"}
        return replace(self, right=kept).figures(chosen)
