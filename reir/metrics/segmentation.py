"""How well masks lie on the objects that expressions refer to. numpy only.

Masks are boolean arrays (h, w) or COCO run lengths, of one size. The overlap (IoU) of two empty masks is 1: nothing was
there, and nothing was painted. An empty mask where something is has IoU 0.

Paper: VATEX, section 7.2.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from reir.geometry.masks import compressed_rle
from reir.metrics.bootstrap import bootstrap_ratio_interval
from reir.metrics.figures import IOUS, Outcomes, intervals, shares
from reir.types import Array

Mask: TypeAlias = npt.NDArray[np.bool_] | Mapping[str, Any]
"""A boolean array (h, w), or COCO run lengths, compressed or not."""

MEAN_IOU, OVERALL_IOU, OBJECT_CENTRIC_IOU = "mean_iou", "overall_iou", "object_centric_iou"


def mask_counts(prediction: Mask, truth: Mask) -> tuple[int, int]:
    """Pixels in the intersection and in the union of two masks.

    Raises:
        ValueError: the masks are of two sizes.
    """
    if isinstance(prediction, np.ndarray) and isinstance(truth, np.ndarray):
        _require_one_size(prediction.shape, truth.shape)
        return int(np.count_nonzero(prediction & truth)), int(np.count_nonzero(prediction | truth))
    both = [compressed_rle(prediction), compressed_rle(truth)]
    return _area(_merged(both, intersect=True)), _area(_merged(both, intersect=False))


def mask_ious(intersections: Array, unions: Array) -> npt.NDArray[np.float64]:
    """Intersection over union (Q,) of pixel counts (Q,); 1 where both are 0.

    Raises:
        ValueError: an intersection above its union, or another number of each.
    """
    above, below = np.asarray(intersections, dtype=np.float64), np.asarray(unions, dtype=np.float64)
    if above.shape != below.shape or above.ndim != 1:
        raise ValueError(f"expected as many intersections as unions, got {above.shape} and {below.shape}")
    if (above < 0).any() or (above > below).any():
        raise ValueError("an intersection is at least 0 and at most its union")
    return np.divide(above, below, out=np.ones(len(above)), where=below > 0)


def mask_outcomes(intersections: Array, unions: Array, *, ious: Sequence[float] = IOUS) -> Outcomes:
    """The IoU of each query and whether it exceeds each threshold, as the figures whose means are mIoU and Pr@IoU."""
    overlaps = mask_ious(intersections, unions)
    figures: dict[tuple[str, ...], Array] = {(f"precision_at_{iou:g}",): overlaps > iou for iou in sorted(set(ious))}
    return {(MEAN_IOU,): overlaps, **figures}


def segmentation_figures(
    intersections: Array,
    unions: Array,
    *,
    object_ious: Array | None = None,
    ious: Sequence[float] = IOUS,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``{"mean_iou", "overall_iou", "precision_at_0.5", ...}`` of Q queries, and ``[low, high]`` of each alike.

    mIoU is the mean of the queries' IoU, oIoU the sum of all intersections over that of all unions, Pr@τ the share of
    queries with IoU > τ, all with bootstrap intervals over queries. With ``object_ious`` (N,), the figures hold
    ``object_centric_iou``, their mean (eq. 10), with an interval over objects.

    Args:
        intersections: (Q,) pixels that prediction and truth share.
        unions: (Q,) pixels of either.
        object_ious: (N,) eq. 9 of each object, see `ObjectCentricIou`.
        ious: thresholds that an overlap must exceed.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: no queries; a mean of nothing is no number.
    """
    above, below = np.asarray(intersections, dtype=np.float64), np.asarray(unions, dtype=np.float64)
    right = mask_outcomes(above, below, ious=ious)
    figures, around = shares(right), intervals(right, level=level, seed=seed)
    figures[OVERALL_IOU] = float(above.sum() / below.sum()) if below.sum() else 1.0
    around[OVERALL_IOU] = bootstrap_ratio_interval(above, below, level=level, seed=seed).tolist()
    if object_ious is not None:
        by_object: Outcomes = {(OBJECT_CENTRIC_IOU,): np.asarray(object_ious, dtype=np.float64)}
        figures |= shares(by_object)
        around |= intervals(by_object, level=level, seed=seed)
    order = [MEAN_IOU, OVERALL_IOU, OBJECT_CENTRIC_IOU, *sorted(figures)]
    named = [name for name in dict.fromkeys(order) if name in figures]
    return {name: figures[name] for name in named}, {name: around[name] for name in named}


def object_centric_iou(truth: Mask, predictions: Sequence[Mask]) -> float:
    """Pixels that the truth and all predictions share, over those of any of them (eq. 9).

    ``predictions`` answer the expressions of one object; with a single one it is the IoU.
    """
    counter = ObjectCentricIou()
    for prediction in predictions:
        counter.add(0, prediction, truth)
    if not predictions:
        raise ValueError("an object without expressions has no object-centric IoU")
    return float(counter.ious()[0])


class ObjectCentricIou:
    """Counts eq. 9 for many objects whose predictions come in any order; it keeps two run lengths an object."""

    def __init__(self) -> None:
        self._common: dict[Hashable, Mapping[str, Any]] = {}
        self._either: dict[Hashable, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._common)

    def add(self, name: Hashable, prediction: Mask, truth: Mask) -> None:
        """Takes in what was painted for one more expression of the object ``name``, whose mask is ``truth``.

        Raises:
            ValueError: the masks are of other sizes than each other or than before.
        """
        painted = compressed_rle(prediction)
        first = compressed_rle(truth) if name not in self._common else None
        self._common[name] = _merged([first or self._common[name], painted], intersect=True)
        self._either[name] = _merged([first or self._either[name], painted], intersect=False)

    def ious(self) -> npt.NDArray[np.float64]:
        """Eq. 9 of each object (N,), in the order in which they first came; eq. 10 is the mean."""
        counts = [(_area(self._common[name]), _area(self._either[name])) for name in self._common]
        common, either = np.array(counts, dtype=np.float64).reshape(-1, 2).T
        return mask_ious(common, either)


def _merged(masks: Sequence[Mapping[str, Any]], *, intersect: bool) -> Mapping[str, Any]:
    first, second = masks
    _require_one_size(first["size"], second["size"])
    merged: Mapping[str, Any] = coco.merge([dict(first), dict(second)], intersect=intersect)
    return merged


def _require_one_size(first: Sequence[int], second: Sequence[int]) -> None:
    if list(first) != list(second):
        raise ValueError(f"masks must have one size (height, width), got {list(first)} and {list(second)}")


def _area(mask: Mapping[str, Any]) -> int:
    return int(coco.area(dict(mask)))
