"""Backgrounds that look like places, decided by place, horizon and seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from reir.data.scenes import elsewhere, indoor, outdoor
from reir.data.scenes.canvas import Canvas
from reir.data.scenes.scene import Scene

BACKGROUND_STREAM = 1
"""Keeps the random numbers of the background apart from those of the camera."""

PAINTERS: Mapping[str, Callable[[Canvas, np.random.Generator, float], None]] = {
    "room": indoor.room,
    "bathroom": indoor.bathroom,
    "table": indoor.table,
    "kitchen": indoor.kitchen,
    "street": outdoor.street,
    "meadow": outdoor.meadow,
    "beach": outdoor.beach,
    "snow": outdoor.snow,
    "yard": outdoor.yard,
    "workshop": elsewhere.workshop,
    "collage": elsewhere.collage,
    "night": elsewhere.night,
    "desert": elsewhere.desert,
    "forest": elsewhere.forest,
}


def background(scene: Scene, width: int, height: int) -> npt.NDArray[np.uint8]:
    """The empty place, (height, width, 3) uint8: the same place at every size.

    Raises:
        KeyError: no such place.
    """
    canvas = Canvas(scene.size_units, width, height)
    PAINTERS[scene.place](canvas, np.random.default_rng((scene.seed, BACKGROUND_STREAM)), scene.horizon)
    return canvas.finish()
