"""What is right of a task's ranks."""

from __future__ import annotations

from collections.abc import Sequence

from reir.evaluation.system import Task
from reir.metrics import Protocol, Ranks, inside_outcomes, outcomes, picture_outcomes
from reir.metrics.figures import Outcomes


def task_outcomes(
    ranks: Ranks, task: Task, protocols: Sequence[Protocol], ks: Sequence[int], ious: Sequence[float]
) -> Outcomes:
    """Right or wrong for every query and figure of the task, with the mean IoU of ``rec`` and ``ris``."""
    if task in ("rec", "ris"):
        return inside_outcomes(ranks.top_iou, ious=ious)
    if task == "tir":
        return picture_outcomes(ranks, ks=ks)
    return outcomes(ranks, ks=ks, protocols=protocols)
