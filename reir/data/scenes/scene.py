"""The scene graph: what stands where in an emoji scene.

Coordinates are *scene units*: the square root of the picture's area is 1, x runs right in [0, sqrt(aspect)],
y runs down in [0, 1/sqrt(aspect)]. The same scene can be rendered at any resolution of its aspect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reir.types import Box

Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")
COLOURS: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
GREY = "grey"
"""A glyph without colour, in the shifted split alone: no expression names it."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object. Its place in ``Scene.objects`` is its depth: later objects are drawn over earlier ones.

    ``cx, cy`` centre of the glyph and ``extent`` the longer side of its tight box before rotation (scene units);
    ``rotation`` degrees counter-clockwise. ``box`` (x0, y0, x1, y1) is the tight box of the *visible* pixels in
    scene units and ``visible`` the visible share of the glyph's pixels inside the picture; both are set by
    ``reir.data.scenes.truth.measure`` and are zero before it.
    """

    noun: str
    colour: str
    size: Size
    cx: float
    cy: float
    extent: float
    rotation: float = 0.0
    mirrored: bool = False
    box: Box = (0.0, 0.0, 0.0, 0.0)
    visible: float = 0.0


@dataclass(frozen=True, slots=True)
class Camera:
    """What the photograph adds: blur (sigma in pixels at a 640-pixel picture), sensor noise (sigma, 8-bit levels),
    exposure (gain), warmth (red over blue gain) and JPEG quality.
    """

    blur: float = 0.0
    noise: float = 0.0
    exposure: float = 1.0
    warmth: float = 1.0
    quality: int = 90


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole scene: reproducible from these fields alone."""

    seed: int
    aspect: float
    place: str
    horizon: float
    objects: tuple[SceneObject, ...]
    camera: Camera = Camera()

    @property
    def size_units(self) -> tuple[float, float]:
        """Width and height in scene units."""
        root = self.aspect**0.5
        return root, 1.0 / root
