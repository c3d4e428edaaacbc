"""What lies around an object, in words, from boxes alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture
from reir.types import Box

_INSIDE = 0.9
"""Share of an object's box that lies within another's, from which on it is called within it."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another object of the picture; ``relation`` goes from the object described to it: "left of", "within"."""

    number: int
    category: str
    relation: str


def nearest(picture: AnnotatedPicture, instance: AnnotatedInstance, count: int) -> list[Neighbour]:
    """The ``count`` objects nearest to an instance, nearest first, by the gap between boxes and then their centres."""
    others = [(number, one) for number, one in enumerate(picture.instances, start=1) if one.id != instance.id]
    others.sort(key=lambda item: (_gap(instance.box, item[1].box), _between_centres(instance.box, item[1].box)))
    return [Neighbour(number, one.category, relation(instance.box, one.box)) for number, one in others[: max(0, count)]]


def relation(box: Box, other: Box) -> str:
    """How ``box`` stands to ``other`` in the plane of the picture; depth cannot be told from boxes."""
    overlap = _overlap(box, other)
    area, other_area = _area(box), _area(other)
    if overlap >= _INSIDE * area and area < other_area:
        return "within"
    if overlap >= _INSIDE * other_area and other_area < area:
        return "around"
    across, down = _centre(box)[0] - _centre(other)[0], _centre(box)[1] - _centre(other)[1]
    wide, high = (box[2] - box[0] + other[2] - other[0]) / 2, (box[3] - box[1] + other[3] - other[1]) / 2
    # Offsets as shares of the distance at which the boxes would just touch: along which axis are they further apart?
    sideways = abs(across) * max(high, 1e-9) >= abs(down) * max(wide, 1e-9)
    side = ("left of" if across < 0 else "right of") if sideways else ("above" if down < 0 else "below")
    return f"overlapping, {side}" if overlap > 0 else side


def place(picture: AnnotatedPicture, instance: AnnotatedInstance) -> str:
    """Where in the picture an instance is, by thirds: "upper left", "centre", "right"."""
    x, y = _centre(instance.box)
    across = ("left", "", "right")[min(2, int(3 * x / picture.width))]
    down = ("upper", "", "lower")[min(2, int(3 * y / picture.height))]
    return " ".join(word for word in (down, across) if word) or "centre"


def among_its_kind(picture: AnnotatedPicture, instance: AnnotatedInstance) -> str | None:
    """Its place among the annotated objects of its category, "2 of 3 from the left"; None for the only one."""
    kind = sorted((one for one in picture.instances if one.category == instance.category), key=lambda one: one.box[0])
    if len(kind) < 2:
        return None
    return f"{1 + next(i for i, one in enumerate(kind) if one.id == instance.id)} of {len(kind)} from the left"


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _gap(a: Box, b: Box) -> float:
    return hypot(max(0.0, a[0] - b[2], b[0] - a[2]), max(0.0, a[1] - b[3], b[1] - a[3]))


def _between_centres(a: Box, b: Box) -> float:
    return hypot(_centre(a)[0] - _centre(b)[0], _centre(a)[1] - _centre(b)[1])
