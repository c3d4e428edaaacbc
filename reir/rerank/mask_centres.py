"""Where a mask's middle is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reir.geometry.masks import decode_rle


def mask_centre(rle: Mapping[str, Any], width: float, height: float) -> tuple[float, float]:
    """The mean of the mask's pixels, in pixels of a picture of this size; its middle for an empty mask.

    Paper: TAS, section 3.4, "position calculation".
    """
    mask = decode_rle(rle)
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return width / 2, height / 2
    return (columns.mean() + 0.5) * width / mask.shape[1], (rows.mean() + 0.5) * height / mask.shape[0]
