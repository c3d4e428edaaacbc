"""The places where scenes happen, and where their ground is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reir.data.scenes.scene import Scene

Group = Literal["indoor", "outdoor"]


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of background. ``horizons`` is the range of ``Scene.horizon`` at which it looks natural."""

    name: str
    group: Group
    horizons: tuple[float, float]


_ALL = (
    Place("room", "indoor", (0.5, 0.66)),
    Place("bathroom", "indoor", (0.5, 0.64)),
    Place("table", "indoor", (0.3, 0.5)),
    Place("kitchen", "indoor", (0.42, 0.6)),
    Place("street", "outdoor", (0.4, 0.55)),
    Place("meadow", "outdoor", (0.35, 0.55)),
    Place("beach", "outdoor", (0.4, 0.58)),
    Place("snow", "outdoor", (0.38, 0.56)),
    Place("yard", "outdoor", (0.42, 0.56)),
)
_ELSEWHERE = (
    Place("workshop", "indoor", (0.48, 0.64)),
    Place("collage", "indoor", (0.4, 0.6)),
    Place("night", "outdoor", (0.42, 0.58)),
    Place("desert", "outdoor", (0.36, 0.54)),
    Place("forest", "outdoor", (0.4, 0.56)),
)
PLACES: tuple[str, ...] = tuple(place.name for place in _ALL)
ELSEWHERE: tuple[str, ...] = tuple(place.name for place in _ELSEWHERE)
"""Places of the shifted split alone: no other scene is set there, and no training picture shows them."""
PLACE_BY_NAME: dict[str, Place] = {place.name: place for place in (*_ALL, *_ELSEWHERE)}


def ground(scene: Scene) -> tuple[float, float]:
    """The y range (scene units) of the ground that things stand on: where it begins, and the picture's lower edge.

    A thing stands on the ground when the lower edge of its box lies in that range; higher up it hangs on the wall or
    floats in the air.
    """
    height = scene.size_units[1]
    return scene.horizon * height, height
