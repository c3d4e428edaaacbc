"""How a network trained on photographs is served, and validated: these numbers go into its checkpoint folder."""

from __future__ import annotations

from typing import Any, Final

from reir.training.photos.config import PhotoConfig

MIN_OBJECTNESS: Final = 0.05
NMS_IOU: Final = 0.7
_RATIOS: Final = (1.0, 4 / 3, 3 / 2, 16 / 9, 2.0)


def canvases(config: PhotoConfig) -> list[tuple[int, int]]:
    """Canvas shapes (height, width) for photos of common shapes, at the greatest size that was trained.

    A photo is scaled until a side meets ``short_side`` or ``long_side``, as in training (paper, appendix A.1: 800 and
    1333), and the canvas' sides are rounded up to multiples of ``config.multiple``.
    """
    found: dict[tuple[int, int], None] = {}
    for ratio in _RATIOS:
        short = min(config.short_side[1], config.long_side / ratio)
        sides = tuple(-(-round(side) // config.multiple) * config.multiple for side in (short, short * ratio))
        found[sides[0], sides[1]] = found[sides[1], sides[0]] = None
    return list(found)


def serving(config: PhotoConfig, *, max_tokens: int) -> dict[str, Any]:
    """The section of a checkpoint folder's configuration."""
    return {
        "canvases": [list(canvas) for canvas in canvases(config)],
        "max_tokens": max_tokens,
        "min_objectness": MIN_OBJECTNESS,
        "nms_iou": NMS_IOU,
    }
