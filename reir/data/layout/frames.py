"""The shapes and sizes of pictures."""

from __future__ import annotations

import math
from random import Random
from typing import Final

from reir.data.scenes.scene import Scene

ASPECTS: Final[tuple[tuple[float, float], ...]] = (
    (1 / 2, 0.06),
    (9 / 16, 0.09),
    (2 / 3, 0.09),
    (3 / 4, 0.20),
    (1.0, 0.12),
    (4 / 3, 0.20),
    (3 / 2, 0.09),
    (16 / 9, 0.09),
    (2.0, 0.06),
)
"""Width over height, and how often it is drawn."""

_USUAL: Final = (320, 1024)
_SMALLEST: Final = 160
_LARGEST_AREA: Final = 4032 * 3024


def draw_aspect(rng: Random) -> float:
    """One of ``ASPECTS``."""
    return rng.choices([aspect for aspect, _ in ASPECTS], [weight for _, weight in ASPECTS])[0]


def sized(aspect: float, long_side: int) -> tuple[int, int]:
    """Width and height in pixels of a picture of this aspect and longer side."""
    if aspect >= 1.0:
        return long_side, max(1, round(long_side / aspect))
    return max(1, round(long_side * aspect)), long_side


def picture_size(scene: Scene) -> tuple[int, int]:
    """Width and height at which a scene is photographed, from its seed alone.

    The area is spread evenly over its logarithm: 85 in 100 pictures have a longer side of 320 to 1,024 pixels, 8
    a smaller one down to 160, and 7 a larger one up to 12 megapixels.
    """
    rng = Random(f"picture size {scene.seed}")
    kind = rng.random()
    if kind < 0.85:
        low, high = map(float, _USUAL)
    elif kind < 0.93:
        low, high = float(_SMALLEST), float(_USUAL[0])
    else:
        ratio = max(scene.aspect, 1 / scene.aspect)
        low, high = float(_USUAL[1]), math.sqrt(_LARGEST_AREA * ratio)
    return sized(scene.aspect, int(math.exp(rng.uniform(math.log(low), math.log(high)))))


def resized(scene: Scene, *, max_side: int | None = None, size: tuple[int, int] | None = None) -> tuple[int, int]:
    """``picture_size``, or what the caller asks for instead.

    ``size`` (w, h) replaces the size of every scene of just that aspect, and of its transpose (turned); scenes of
    another aspect keep their own. ``max_side`` bounds the longer side.
    """
    width, height = picture_size(scene)
    if size is not None:
        for candidate in (size, size[::-1]):
            if math.isclose(candidate[0] / candidate[1], scene.aspect, rel_tol=0.005):
                width, height = candidate
                break
    if max_side is not None and max(width, height) > max_side:
        width, height = sized(scene.aspect, max_side)
    return width, height
