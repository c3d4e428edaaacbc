"""Non-maximum suppression."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.geometry.boxes import iou_matrix
from reir.types import IntArray


def nms(boxes: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float) -> IntArray:
    """Indices (K,) of the boxes that stay, by descending score (equal scores: the lower index first).

    A box of ``boxes`` (N, 4) goes when it overlaps a better one that stays by more than ``iou_threshold``.
    Class-agnostic and greedy, as torchvision's. Memory is N x N: for the hundreds of proposals of one picture.
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    scores = np.asarray(scores)
    if scores.shape != (len(boxes),):
        raise ValueError(f"scores must be ({len(boxes)},), got {scores.shape}")
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou_threshold
    alive = np.ones(len(boxes), dtype=bool)
    for i in range(len(boxes)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[alive].astype(np.int64)
