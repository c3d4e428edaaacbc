"""Box arithmetic. Boxes are ``x0, y0, x1, y1`` unless a name says otherwise; the last axis holds the four numbers.

Areas and overlaps are computed in float64: an overlap of exactly one half must not become "more than one half"
by rounding, and the areas of large pictures do not fit float32's 24 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.types import Array

Float64Array = npt.NDArray[np.float64]


def box_area(boxes: npt.ArrayLike) -> Float64Array:
    """Areas (...,) of boxes (..., 4); an inverted box has area 0."""
    boxes = _as_boxes(boxes)
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    area: Float64Array = sides[..., 0] * sides[..., 1]
    return area


def iou_matrix(a: npt.ArrayLike, b: npt.ArrayLike) -> Float64Array:
    """Intersection over union (N, M) of every box of ``a`` (N, 4) with every box of ``b`` (M, 4).

    Boxes without area overlap nothing: their IoU is 0, never NaN.
    """
    a, b = _as_boxes(a), _as_boxes(b)
    return paired_iou(a[:, None, :], b[None, :, :])


def paired_iou(a: npt.ArrayLike, b: npt.ArrayLike) -> Float64Array:
    """Intersection over union (...,) of ``a`` (..., 4) with ``b`` (..., 4), box by box, shapes broadcast."""
    a, b = _as_boxes(a), _as_boxes(b)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    sides = np.maximum(sides, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    union = box_area(a) + box_area(b) - intersection
    overlap: Float64Array = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return overlap


def clip_boxes(boxes: npt.ArrayLike, width: float, height: float) -> Array:
    """The boxes (..., 4) cut to a picture of ``width`` x ``height``; dtype kept."""
    boxes = np.asarray(boxes)
    limits = np.array([width, height, width, height], dtype=boxes.dtype)
    clipped: Array = np.clip(boxes, np.zeros_like(limits), limits)
    return clipped


def cxcywh_to_xyxy(boxes: npt.ArrayLike) -> Array:
    """Corners of boxes (..., 4) given as centre x, centre y, width, height."""
    boxes = np.asarray(boxes)
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def xyxy_to_cxcywh(boxes: npt.ArrayLike) -> Array:
    """Centre x, centre y, width, height of boxes (..., 4)."""
    boxes = np.asarray(boxes)
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xywh_to_xyxy(boxes: npt.ArrayLike) -> Array:
    """Corners of boxes (..., 4) given as left, top, width, height (the COCO format)."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(boxes: npt.ArrayLike) -> Array:
    """Left, top, width, height (the COCO format) of boxes (..., 4)."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def _as_boxes(boxes: npt.ArrayLike) -> Float64Array:
    boxes = np.asarray(boxes, dtype=np.float64)
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"boxes must be (..., 4), got {boxes.shape}")
    return boxes
