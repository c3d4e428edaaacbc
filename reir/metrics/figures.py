"""From ranks to the figures of a report: a query is right or wrong, a figure is the share of right ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from reir.metrics.bootstrap import bootstrap_intervals
from reir.metrics.ranks import Ranks
from reir.types import Array

Protocol = Literal["official", "any"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

Outcomes = Mapping[tuple[str, ...], Array]
"""Right or wrong (Q,), or a number in [0, 1] (Q,), by figure; the key is the figure's path in the JSON report."""

KS: tuple[int, ...] = (1, 5, 10)
IOUS: tuple[float, ...] = (0.5, 0.7, 0.9)
"""Numbers of answers, and overlaps to exceed, at which box recall is told unless others are asked for."""

PRECISION_IOU = 0.5


def outcomes(ranks: Ranks, *, ks: Sequence[int], protocols: Sequence[Protocol] = PROTOCOLS) -> Outcomes:
    """Right or wrong, for every query and figure.

    The figures are BoxRecall@k at every IoU threshold of ``ranks`` by every protocol, image Recall@k, and Precision@0.5
    inside the true picture.
    """
    if not ks or min(ks) < 1 or max(ks) > ranks.depth:
        raise ValueError(f"every k must be between 1 and the counted depth {ranks.depth}, got {tuple(ks)}")
    right: dict[tuple[str, ...], Array] = {}
    for protocol in protocols:
        for i, iou in enumerate(ranks.ious):
            for k in ks:
                if protocol == "official":
                    correct = (ranks.top_iou > iou) & (ranks.official < k)
                else:
                    correct = ranks.any[:, i] < k
                right[protocol, "box_recall", f"{iou:g}", str(k)] = correct
    right |= picture_outcomes(ranks, ks=ks)
    right[(f"precision_at_{PRECISION_IOU:g}",)] = ranks.top_iou > PRECISION_IOU
    return right


def picture_outcomes(ranks: Ranks, *, ks: Sequence[int]) -> Outcomes:
    """Right or wrong, for every query, of image Recall@k alone (text-to-image retrieval)."""
    return {("image_recall", str(k)): ranks.image < k for k in ks}


def inside_outcomes(top_iou: npt.NDArray[np.float64], *, ious: Sequence[float]) -> Outcomes:
    """Precision at 0.5 and at each IoU threshold, and the mean IoU of the box given inside the true picture (Q,)."""
    thresholds = sorted({PRECISION_IOU, *ious})
    figures: dict[tuple[str, ...], Array] = {(f"precision_at_{iou:g}",): top_iou > iou for iou in thresholds}
    return {**figures, ("mean_iou",): top_iou}


def shares(outcomes: Outcomes, chosen: npt.NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """The share of right queries (the mean) for every figure, nested by its path; of the ``chosen`` (Q,), or of all.

    Raises:
        ValueError: no query is chosen; a share of nothing is no number.
    """
    tree: dict[str, Any] = {}
    for path, right in outcomes.items():
        counted = right if chosen is None else right[chosen]
        if len(counted) == 0:
            raise ValueError("no queries to take a share of")
        _put(tree, path, float(counted.mean()))
    return tree


def intervals(
    outcomes: Outcomes, chosen: npt.NDArray[np.bool_] | None = None, *, level: float = 0.95, seed: int = 0
) -> dict[str, Any]:
    """``[low, high]`` for every figure, nested as :func:`shares` does: bootstrap over queries."""
    paths = list(outcomes)
    values = np.stack([outcomes[path] for path in paths], axis=1)
    bounds = bootstrap_intervals(values if chosen is None else values[chosen], level=level, seed=seed)
    tree: dict[str, Any] = {}
    for path, (low, high) in zip(paths, bounds.tolist(), strict=True):
        _put(tree, path, [low, high])
    return tree


def paired_differences(
    first: Outcomes, second: Outcomes, *, level: float = 0.95, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first's share less the second's for every figure that both have, and ``[low, high]`` alike: paired bootstrap.

    Both answered the same queries, so each round draws queries, not answers: what makes a query hard for both does not
    widen the interval (Efron and Tibshirani, *An Introduction to the Bootstrap*, section 16.4).

    Raises:
        ValueError: no figure in common, or another number of queries.
    """
    paths = [path for path in first if path in second]
    if not paths or any(len(first[path]) != len(second[path]) for path in paths):
        raise ValueError("expected outcomes of the same queries with figures in common")
    values = np.stack([first[path].astype(np.float64) - second[path].astype(np.float64) for path in paths], axis=1)
    bounds = bootstrap_intervals(values, level=level, seed=seed)
    differences: dict[str, Any] = {}
    around: dict[str, Any] = {}
    for path, mean, (low, high) in zip(paths, values.mean(axis=0).tolist(), bounds.tolist(), strict=True):
        _put(differences, path, mean)
        _put(around, path, [low, high])
    return differences, around


def _put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value
