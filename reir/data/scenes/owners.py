"""Which object is seen at each pixel of a scene, without drawing the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.data.scenes.render import NOBODY, finishes
from reir.data.scenes.scene import Scene
from reir.data.scenes.sprites import place


def draw_owners(scene: Scene, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The index of the object seen at each pixel (height, width), or ``NOBODY``: ``render(...).owners``.

    A tenth of the time of ``render``: no background, no shadows, no camera.
    """
    units = scene.size_units
    owners = np.full((height, width), NOBODY, dtype=np.uint8)
    for index, (item, finish) in enumerate(zip(scene.objects, finishes(scene), strict=True)):
        # A plain glyph is as large as its silhouette, one drawn otherwise has a rim.
        sprite = place(item, width / units[0], height / units[1], silhouette_only=finish == "plain", finish=finish)
        high, wide = sprite.alpha.shape
        y0, x0 = max(sprite.y, 0), max(sprite.x, 0)
        y1, x1 = min(sprite.y + high, height), min(sprite.x + wide, width)
        if y1 > y0 and x1 > x0:
            alpha = sprite.alpha[y0 - sprite.y : y1 - sprite.y, x0 - sprite.x : x1 - sprite.x]
            owners[y0:y1, x0:x1][alpha >= 0.5] = index
    return owners
