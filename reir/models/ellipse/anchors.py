"""Anchor ellipses: the proposals of Tune-An-Ellipse, the same on every picture."""

from __future__ import annotations

import numpy as np

from reir.types import FloatArray

POINTS = 9
"""Points a side (section 4.4, Table 4)."""

_SIZES = (0.15, 0.3, 0.55)
"""Mean half axes in picture coordinates: 0.3 is an object of 30 per cent of a side."""
_ASPECTS = {3: (1.0,), 6: (2 / 3, 3 / 2), 9: (2 / 3, 1.0, 3 / 2)}
"""Width by height, by the number of ellipses at a point."""


def anchors(points: int = POINTS, ellipses: int = 6) -> FloatArray:
    """Ellipses (points² · ellipses, 5): on a grid of points, uniform over the picture, each of several sizes.

    Paper: section 3.2, "we uniformly sample N points on the image and assign each point with M various anchor ellipses
    in different sizes". *Differs from the paper*: it does not give the sizes; these are three sizes, upright and lying.

    Raises:
        ValueError: no point, or another number of ellipses than 3, 6 or 9.
    """
    if points < 1 or ellipses not in _ASPECTS:
        raise ValueError(f"anchors are at 1 or more points a side, 3, 6 or 9 at each, got {points} and {ellipses}")
    places = (np.arange(points) * 2 + 1) / points - 1
    shapes = [(size * aspect**0.5, size / aspect**0.5) for size in _SIZES for aspect in _ASPECTS[ellipses]]
    rows = [(x, y, a, b, 0.0) for y in places for x in places for a, b in shapes]
    return np.array(rows, dtype=np.float32)
