"""Where the objects of a scene are seen, without drawing the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reir.data.scenes.scene import Scene
from reir.data.scenes.sprites import place

MEASURE_PIXELS = 256.0
"""Pixels a scene unit at which scenes are measured: the same for every picture size, so the truth is the same too."""


def measure(scene: Scene) -> Scene:
    """The scene with ``box`` and ``visible`` of every object, from its alpha mask and those drawn over it.

    Edges are found to a fraction of a pixel, where the anti-aliased mask crosses one half. An object of which nothing
    is seen has an empty box and ``visible`` 0.
    """
    width, height = (unit * MEASURE_PIXELS for unit in scene.size_units)
    sprites = [place(item, MEASURE_PIXELS, MEASURE_PIXELS, silhouette_only=True) for item in scene.objects]
    measured = []
    for index, (item, sprite) in enumerate(zip(scene.objects, sprites, strict=True)):
        seen = sprite.alpha.copy()
        high, wide = seen.shape
        for other in sprites[index + 1 :]:
            x0, y0 = max(sprite.x, other.x), max(sprite.y, other.y)
            x1 = min(sprite.x + wide, other.x + other.alpha.shape[1])
            y1 = min(sprite.y + high, other.y + other.alpha.shape[0])
            if x1 > x0 and y1 > y0:
                cover = other.alpha[y0 - other.y : y1 - other.y, x0 - other.x : x1 - other.x]
                seen[y0 - sprite.y : y1 - sprite.y, x0 - sprite.x : x1 - sprite.x] *= 1.0 - cover
        # Pixels outside the picture are not seen; one cut by its edge counts by its share inside.
        seen *= _inside(sprite.x, wide, width)
        seen *= _inside(sprite.y, high, height)[:, None]
        total = float(sprite.alpha.sum())
        across, down = _crossings(seen.max(axis=0)), _crossings(seen.max(axis=1))
        box = (0.0, 0.0, 0.0, 0.0)
        visible = 0.0
        if across is not None and down is not None:
            box = (
                max(sprite.x + across[0], 0.0) / MEASURE_PIXELS,
                max(sprite.y + down[0], 0.0) / MEASURE_PIXELS,
                min(sprite.x + across[1], width) / MEASURE_PIXELS,
                min(sprite.y + down[1], height) / MEASURE_PIXELS,
            )
            visible = min(1.0, float(seen.sum()) / total)
        measured.append(replace(item, box=box, visible=visible))
    return replace(scene, objects=tuple(measured))


def _inside(start: int, count: int, end: float) -> npt.NDArray[np.float32]:
    """Share of each of ``count`` pixels from ``start`` that lies between 0 and ``end``."""
    left = np.arange(start, start + count, dtype=np.float32)
    share: npt.NDArray[np.float32] = np.clip(np.minimum(left + 1, np.float32(end)) - np.maximum(left, 0.0), 0.0, 1.0)
    return share


def _crossings(profile: npt.NDArray[np.float32]) -> tuple[float, float] | None:
    """Where the profile first rises above one half and last falls below it; None if it never does."""
    above = np.flatnonzero(profile >= 0.5)
    if len(above) == 0:
        return None
    first, last = int(above[0]), int(above[-1])
    before = float(profile[first - 1]) if first > 0 else 0.0
    after = float(profile[last + 1]) if last + 1 < len(profile) else 0.0
    rise = (float(profile[first]) - 0.5) / (float(profile[first]) - before)
    fall = (float(profile[last]) - 0.5) / (float(profile[last]) - after)
    return first + 0.5 - rise, last + 0.5 + fall


def mirror(scene: Scene) -> Scene:
    """The scene as seen in a mirror: left and right exchanged for every object, depth order kept.

    It is the truth of a rendered picture whose columns are reversed. The background is drawn from the seed and does
    not turn with it, so ``render(mirror(scene))`` shows the mirrored objects in the same place.
    """
    width = scene.size_units[0]
    return replace(
        scene,
        objects=tuple(
            replace(
                item,
                cx=width - item.cx,
                rotation=-item.rotation,
                mirrored=not item.mirrored,
                box=(width - item.box[2], item.box[1], width - item.box[0], item.box[3]) if item.visible else item.box,
            )
            for item in scene.objects
        ),
    )
