"""Ellipses as numbers: from boxes, to boxes, to pixels of the original, to masks. Without torch.

An ellipse is (cx, cy, a, b, angle) in picture coordinates: -1 to 1 over each side, whatever the picture's shape,
because towers see pictures squashed to a square. In pixels of a picture that is not square it has other axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reir.geometry import clip_boxes
from reir.types import Box, FloatArray

_SMALLEST = 1e-3
"""Half of a box's side in picture coordinates below which it is widened: an ellipse needs an inside."""


def inscribed(box: Box, width: int, height: int) -> FloatArray:
    """The ellipse (5,) within a box, in a picture of ``width`` x ``height`` pixels."""
    x0, y0, x1, y1 = np.array(box) / (width, height, width, height) * 2 - 1
    half = np.maximum([(x1 - x0) / 2, (y1 - y0) / 2], _SMALLEST)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, *half, 0.0], dtype=np.float32)


def extents(ellipses: FloatArray) -> FloatArray:
    """The boxes (N, 4) that ellipses (N, 5) just fill, in picture coordinates, not clipped."""
    cx, cy, a, b, angle = np.asarray(ellipses, dtype=np.float64).T
    wide = np.hypot(a * np.cos(angle), b * np.sin(angle))
    high = np.hypot(a * np.sin(angle), b * np.cos(angle))
    return np.stack([cx - wide, cy - high, cx + wide, cy + high], axis=1).astype(np.float32)


def box_of(ellipse: FloatArray, width: int, height: int) -> Box:
    """The box that an ellipse (5,) just fills, in pixels, clipped to the picture; at least one pixel each way."""
    size = np.array([width, height, width, height])
    box = clip_boxes((extents(ellipse[None])[0].astype(np.float64) + 1) / 2 * size, width, height)
    x0, y0, x1, y1 = box.tolist()
    left, top = min(x0, width - 1.0), min(y0, height - 1.0)
    return left, top, max(x1, left + 1.0), max(y1, top + 1.0)


def in_pixels(ellipse: FloatArray, width: int, height: int) -> dict[str, Any]:
    """The ellipse (5,) in pixels of a picture of ``width`` x ``height``, as JSON values.

    ``centre`` [x, y], ``axes`` the longer and the shorter half axis, ``angle`` of the longer in radians from the right
    towards the bottom, in [0, π).
    """
    cx, cy, a, b, angle = (float(value) for value in ellipse)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The circle's image: the singular values are the half axes, the left vectors their directions.
    directions, axes, _ = np.linalg.svd(np.diag([width / 2, height / 2]) @ turned @ np.diag([a, b]))
    return {
        "centre": [round((cx + 1) / 2 * width, 2), round((cy + 1) / 2 * height, 2)],
        "axes": [round(float(axis), 2) for axis in axes],
        "angle": round(float(np.arctan2(directions[1, 0], directions[0, 0]) % np.pi), 4),
    }


def mask_of(ellipse: FloatArray, width: int, height: int) -> npt.NDArray[np.bool_]:
    """The pixels (height, width) whose middle lies within the ellipse (5,)."""
    cx, cy, a, b, angle = (float(value) for value in ellipse)
    dx = (np.arange(width) * 2 + 1) / width - 1 - cx
    dy = ((np.arange(height) * 2 + 1) / height - 1 - cy)[:, None]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dx * np.sin(angle) - dy * np.cos(angle)
    within: npt.NDArray[np.bool_] = (along * b) ** 2 + (across * a) ** 2 <= (a * b) ** 2
    return within
