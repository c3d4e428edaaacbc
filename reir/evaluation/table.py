"""Several evaluations side by side, a row each."""

from __future__ import annotations

from collections.abc import Sequence

from reir.evaluation.report import percent_cell, text_table
from reir.evaluation.result import Evaluation


def format_table(evaluations: Sequence[Evaluation]) -> str:
    """One row a data set with the main figures of the task, in percent with their 95% intervals.

    ``rec`` and ``ris``: precision at each overlap and the mean IoU, of masks also the other two. ``tir``: image
    Recall@k. ``reir``: BoxRecall@k by each protocol at the lowest overlap.

    Raises:
        ValueError: there are none, or they are of several tasks.
    """
    if len({evaluation.task for evaluation in evaluations}) != 1:
        raise ValueError(f"expected evaluations of one task, got {[evaluation.task for evaluation in evaluations]}")
    columns = _columns(evaluations[0])
    rows = [
        [
            evaluation.dataset,
            f"{evaluation.overall.queries:,}",
            *(percent_cell(evaluation.overall, p) for p in columns.values()),
        ]
        for evaluation in evaluations
    ]
    systems = dict.fromkeys(evaluation.system for evaluation in evaluations)
    passes = sum(evaluation.cost.total for evaluation in evaluations)
    return "\n".join(
        [
            *systems,
            "percent, with 95% bootstrap intervals over expressions",
            "",
            *text_table(["", "queries", *columns], rows),
            "",
            f"{passes:,} forward passes",
        ]
    )


def _columns(evaluation: Evaluation) -> dict[str, tuple[str, ...]]:
    shares = evaluation.overall.shares
    if evaluation.task == "rec":
        return {name.replace("precision_at_", "Pr@").replace("mean_iou", "mean IoU"): (name,) for name in shares}
    if evaluation.task == "ris":
        titles = {"mean_iou": "mIoU", "overall_iou": "oIoU", "object_centric_iou": "Oc-IoU"}
        return {titles.get(name, name.replace("precision_at_", "Pr@")): (name,) for name in shares}
    if evaluation.task == "tir":
        return {f"R@{k}": ("image_recall", str(k)) for k in evaluation.ks}
    iou = f"{evaluation.ious[0]:g}"
    return {
        f"{protocol} BR@{k} (IoU > {iou})": (protocol, "box_recall", iou, str(k))
        for protocol in ("official", "any")
        if protocol in shares
        for k in evaluation.ks
    }
