"""The same figures for a gallery that is in memory, as a validation step of training has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reir.metrics.figures import IOUS, KS, outcomes, shares
from reir.metrics.placement import Truth, place
from reir.metrics.ranks import RankCounter
from reir.types import Array, FloatArray, IntArray

_ROWS_AT_ONCE = 16_384


def box_recall_from_arrays(
    query_vectors: FloatArray,
    query_images: IntArray,
    query_boxes: Array,
    vectors: FloatArray,
    boxes: Array,
    image_index: IntArray,
    ks: Sequence[int] = KS,
    ious: Sequence[float] = IOUS,
) -> dict[str, Any]:
    """``{"queries", "official": {"box_recall": {iou: {k: share}}}, "any": ..., "image_recall", "precision_at_0.5"}``.

    Args:
        query_vectors: (Q, D), one for each expression.
        query_images: (Q,) the true picture of each, as ``image_index`` counts (it may have no instances at all).
        query_boxes: (Q, 4) the true box of each, xyxy in the pixels of ``boxes``.
        vectors: (N, D) instances of the gallery, in any order.
        boxes: (N, 4) their boxes.
        image_index: (N,) the picture of each.
        ks: numbers of answers that are looked at.
        ious: thresholds; an overlap must be greater.
    """
    if not len(vectors) == len(boxes) == len(image_index):
        raise ValueError(f"vectors, boxes, image_index must agree: {len(vectors)}, {len(boxes)}, {len(image_index)}")
    if not len(query_vectors) == len(query_images) == len(query_boxes):
        raise ValueError(f"queries must agree: {len(query_vectors)}, {len(query_images)}, {len(query_boxes)}")
    query_images, query_boxes = np.asarray(query_images), np.asarray(query_boxes)
    by_image = np.argsort(image_index, kind="stable")
    sorted_index = np.asarray(image_index)[by_image]
    first = np.searchsorted(sorted_index, query_images, side="left")
    last = np.searchsorted(sorted_index, query_images, side="right")
    placements = []
    for q in range(len(query_vectors)):
        rows = by_image[first[q] : last[q]]
        truth = Truth(query_images[q : q + 1], query_boxes[q : q + 1])
        placements.append(place(query_vectors[q], truth, image_index[rows], boxes[rows], vectors[rows], ious=ious))
    counter = RankCounter(query_vectors, placements, ious=ious, depth=max(ks))
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        counter.add(image_index[start : start + _ROWS_AT_ONCE], vectors[start : start + _ROWS_AT_ONCE])
    return {"queries": len(query_vectors), **shares(outcomes(counter.ranks(), ks=ks))}
