"""Floors and roads in perspective: strips that run towards a vanishing point, and rows that come closer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reir.data.scenes.canvas import Point


@dataclass(frozen=True, slots=True)
class Floor:
    """The ground plane between its far edge ``top`` and the picture's lower edge ``bottom`` (scene units).

    ``vx, vy`` is the vanishing point, above ``top``. Depth is 1 at the far edge and falls towards the viewer.
    """

    top: float
    bottom: float
    vx: float
    vy: float

    def x(self, at_top: float, y: float) -> float:
        """Where the line through ``(at_top, top)`` and the vanishing point is at height ``y``."""
        return self.vx + (at_top - self.vx) * (y - self.vy) / (self.top - self.vy)

    def y(self, depth: float) -> float:
        """Height in the picture of the row at that depth."""
        return self.vy + (self.top - self.vy) / depth

    @property
    def nearest(self) -> float:
        """Depth at the picture's lower edge."""
        return (self.top - self.vy) / (self.bottom - self.vy)

    def strip(self, left: float, right: float, y0: float, y1: float) -> list[Point]:
        """The four corners of the strip between two lines (given by their x at the top), from ``y0`` to ``y1``."""
        return [
            (self.x(left, y0), y0),
            (self.x(right, y0), y0),
            (self.x(right, y1), y1),
            (self.x(left, y1), y1),
        ]

    def rows(self, step: float) -> Iterator[tuple[float, float]]:
        """Upper and lower y of every row of depth ``step``, from the far edge to the lower edge of the picture."""
        depth = 1.0
        while depth > self.nearest:
            near = max(depth - step, self.nearest)
            yield self.y(depth), self.y(near)
            depth -= step
