"""Cutting boxes out of pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.types import FloatArray, Picture


def cut_crops(picture: Picture, boxes: FloatArray, *, pad: float = 0.0) -> list[npt.NDArray[np.uint8]]:
    """The pixels (h, w, 3) of boxes (N, 4) in pixels of the upright original, as views on ``picture.pixels``.

    A box grows by ``pad`` times its width to the left and right and by ``pad`` times its height upwards and downwards,
    is cut off at the picture's edges, and takes in each pixel that it touches; at least one.
    """
    height, width = picture.pixels.shape[:2]
    scale = np.array([width / picture.width, height / picture.height] * 2)
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sides = corners[:, 2:] - corners[:, :2]
    grown = np.concatenate([corners[:, :2] - pad * sides, corners[:, 2:] + pad * sides], axis=1) * scale
    # A thousandth of a pixel is rounding, not a pixel that is touched.
    low = np.clip(np.floor(grown[:, :2] + 1e-3), 0, [width - 1, height - 1]).astype(int)
    high = np.maximum(np.clip(np.ceil(grown[:, 2:] - 1e-3), 0, [width, height]).astype(int), low + 1)
    return [picture.pixels[y0:y1, x0:x1] for (x0, y0), (x1, y1) in zip(low.tolist(), high.tolist(), strict=True)]
