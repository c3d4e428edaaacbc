"""How well boxes lie where words say: parts of the picture, and relations between two boxes or three.

Every function gives numbers in [0, 1] that pass 0.5 where the word begins to be wrong, for words have no sharp edges
and boxes are not exact. Lengths are shares of the square root of the picture's area, so that thresholds hold for any
size. Boxes (..., N, 4) are those of one picture, or of several (B, N, 4) with a size each (B, 2), width and height in
pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

_HALF: Final = (0.52, 0.28)
"""Share of the picture's side at which "on the left" is no longer, and is still, said."""
_CORNER: Final = (0.50, 0.32)
_MIDDLE: Final = (0.26, 0.11)
"""Distance from the middle of the picture."""
_DEPTH: Final = (0.45, 0.8)
"""Lower edge of the box: what stands lower in the picture is nearer."""
_ALONG: Final = (0.01, 0.06)
"""How far two centres are apart along the direction that is named ..."""
_SLOPE: Final = (2.7, 1.5)
"""... and how many times that across it."""
_NEAR: Final = (0.20, 0.08)
_LEVEL: Final = (-0.6, 0.5)
"""Share of the lower height that things side by side have in common; below 0 for a gap."""
_SPAN: Final = (0.05, 0.25)
_OFF: Final = (0.22, 0.10)
_REACH: Final = 0.12
"""Distance at which "nearest" is down to 1/e."""


def ramp(values: npt.ArrayLike, no: float, yes: float) -> Reals:
    """Smoothly from 0.05 at ``no`` through 0.5 halfway to 0.95 at ``yes``, which may be the smaller one."""
    steep: Reals = np.clip(3.0 * (2.0 * np.asarray(values, dtype=np.float64) - no - yes) / (yes - no), -30, 30)
    return 1.0 / (1.0 + np.exp(-steep))


def centres_of(boxes: npt.ArrayLike) -> Reals:
    """The centres (..., N, 2) of boxes (..., N, 4)."""
    corners = np.asarray(boxes, dtype=np.float64)
    centres: Reals = (corners[..., :2] + corners[..., 2:]) / 2
    return centres


def half_of_centres(centres: npt.ArrayLike, side: str) -> npt.NDArray[np.bool_]:
    """Which of the centres (N, 2) lie in the ``left``, ``right``, ``top`` or ``bottom`` half of them all.

    Paper: TAS, section 3.4. The half ends at the median, which itself belongs to both halves, so that no half is empty.
    ``middle`` is the half that is nearest to the middle of all centres.

    Raises:
        ValueError: another side.
    """
    points = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
    if len(points) == 0:
        return np.zeros(0, dtype=np.bool_)
    match side:
        case "left" | "right":
            off = points[:, 0] if side == "left" else -points[:, 0]
        case "top" | "bottom":
            off = points[:, 1] if side == "top" else -points[:, 1]
        case "middle":
            off = np.abs(points - (points.min(axis=0) + points.max(axis=0)) / 2).max(axis=1)
        case _:
            raise ValueError(f"a side is left, right, top, bottom or middle, got {side!r}")
    within: npt.NDArray[np.bool_] = off <= np.median(off)
    return within


def region_fit(
    boxes: npt.ArrayLike, sides: Sequence[str], size: npt.ArrayLike, centres: npt.ArrayLike | None = None
) -> Reals:
    """How well each box (..., N, 4) lies at all of the ``sides`` of a picture of this size (..., 2): (..., N).

    ``middle`` beside another side is the middle of the other direction ("top middle"). ``front`` and ``back`` go by the
    lower edge. ``centres`` (..., N, 2) stand for the boxes' own.

    Raises:
        ValueError: a side that is none.
    """
    corners, extent = _arrays(boxes, size)
    middle = (centres_of(corners) if centres is None else np.asarray(centres, dtype=np.float64)) / extent
    x, y = middle[..., 0], middle[..., 1]
    flat = {"left": x, "right": 1 - x, "top": y, "bottom": 1 - y}
    named = set(sides) & set(flat)
    fit = np.ones(x.shape)
    for side in sides:
        if side in flat:
            fit = fit * ramp(flat[side], *(_CORNER if len(named) > 1 else _HALF))
        elif side == "middle":
            off_x, off_y = np.abs(x - 0.5), np.abs(y - 0.5)
            off = np.maximum(off_x, off_y) if not named else off_x if named & {"top", "bottom"} else off_y
            fit = fit * ramp(off, *_MIDDLE)
        elif side in ("front", "back"):
            near = ramp(corners[..., 3] / extent[..., 1], *_DEPTH)
            fit = fit * (near if side == "front" else 1 - near)
        else:
            raise ValueError(f"no side of a picture: {side!r}")
    return fit


def clock_fit(boxes: npt.ArrayLike, hour: int, size: npt.ArrayLike, centres: npt.ArrayLike | None = None) -> Reals:
    """How well each box (..., N, 4) lies in the direction of an hour, seen from the middle of the picture: (..., N)."""
    corners, extent = _arrays(boxes, size)
    middle = centres_of(corners) if centres is None else np.asarray(centres, dtype=np.float64)
    away = (middle - extent / 2) / _unit(extent)
    distance = np.hypot(away[..., 0], away[..., 1])
    angle = np.pi / 6 * hour
    along = (away[..., 0] * np.sin(angle) - away[..., 1] * np.cos(angle)) / np.maximum(distance, 1e-9)
    return ramp(along, 0.5, 0.95) * ramp(distance, 0.02, 0.15)


def _arrays(boxes: npt.ArrayLike, size: npt.ArrayLike) -> tuple[Reals, Reals]:
    """The boxes (..., N, 4) and the size (..., 1, 2) as numbers."""
    return np.asarray(boxes, dtype=np.float64), np.asarray(size, dtype=np.float64)[..., None, :]


def _unit(extent: Reals) -> Reals:
    """The square root of the area of pictures of an extent (..., 1, 2), (..., 1, 1)."""
    unit: Reals = np.sqrt(extent.prod(axis=-1, keepdims=True))
    return unit


class Pairs:
    """What relations measure between every two boxes (..., N, 4) of a picture, (..., N, N), the first one's rows."""

    def __init__(self, boxes: npt.ArrayLike, size: npt.ArrayLike) -> None:
        corners, extent = _arrays(boxes, size)
        corners = corners / _unit(extent)
        x0, y0, x1, y1 = (corners[..., side] for side in range(4))
        width, height = np.maximum(x1 - x0, 1e-9), np.maximum(y1 - y0, 1e-9)
        self.rows = {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "w": width, "h": height, "area": width * height}
        self.rows |= {"cx": (x0 + x1) / 2, "cy": (y0 + y1) / 2}
        self.gap_x = np.maximum(self.a("x0"), self.b("x0")) - np.minimum(self.a("x1"), self.b("x1"))
        self.gap_y = np.maximum(self.a("y0"), self.b("y0")) - np.minimum(self.a("y1"), self.b("y1"))

    def a(self, name: str) -> Reals:
        """A measure of the row's box, (..., N, 1)."""
        return self.rows[name][..., :, None]

    def b(self, name: str) -> Reals:
        """A measure of the column's box, (..., 1, N)."""
        return self.rows[name][..., None, :]

    def least(self, name: str) -> Reals:
        """The smaller of both."""
        least: Reals = np.minimum(self.a(name), self.b(name))
        return least

    @property
    def distance(self) -> Reals:
        """Between the nearest edges."""
        distance: Reals = np.hypot(np.maximum(self.gap_x, 0), np.maximum(self.gap_y, 0))
        return distance

    @property
    def shared(self) -> Reals:
        """Area that both boxes cover."""
        shared: Reals = np.maximum(-self.gap_x, 0) * np.maximum(-self.gap_y, 0)
        return shared

    @property
    def iou(self) -> Reals:
        """Intersection over union."""
        return self.shared / (self.a("area") + self.b("area") - self.shared)


def _turned(fit: Reals) -> Reals:
    return np.swapaxes(fit, -1, -2)


def _direction(along: Reals, across: Reals) -> Reals:
    return ramp(along, *_ALONG) * ramp(across / np.maximum(along, 1e-3), *_SLOPE)


def _left_of(p: Pairs) -> Reals:
    return _direction(p.b("cx") - p.a("cx"), np.abs(p.b("cy") - p.a("cy")))


def _above(p: Pairs) -> Reals:
    return _direction(p.b("cy") - p.a("cy"), np.abs(p.b("cx") - p.a("cx")))


def _on(p: Pairs) -> Reals:
    """The lower edge meets the other's upper part, or lies within it; the centre is over it."""
    floats = p.b("y0") - p.a("y1")
    sunk = -floats / p.b("h")
    outset = np.maximum(p.b("x0") - p.a("cx"), p.a("cx") - p.b("x1"))
    higher = (p.b("cy") - p.a("cy")) / p.b("h")
    return ramp(floats, 0.06, 0.01) * ramp(sunk, 1.05, 0.75) * ramp(outset, 0.03, -0.03) * ramp(higher, 0.0, 0.3)


def _under(p: Pairs) -> Reals:
    """It carries the other, or lies straight below it with a small gap."""
    gap = p.a("y0") - p.b("y1")
    straight = ramp(gap, 0.24, 0.12) * ramp(gap, -0.1, -0.02) * ramp(-p.gap_x / p.least("w"), 0.1, 0.5)
    below = ramp(p.a("cy") - p.b("cy"), *_ALONG)
    under: Reals = np.maximum(_turned(_on(p)), straight * below)
    return under


def _next_to(p: Pairs) -> Reals:
    """A small gap, on about the same line."""
    return ramp(p.distance, *_NEAR) * (0.3 + 0.7 * ramp(-p.gap_y / p.least("h"), *_LEVEL))


def _in_front_of(p: Pairs) -> Reals:
    """The boxes overlap, or nearly, and this one's lower edge is lower: it stands nearer."""
    lower = ramp(p.a("y1") - p.b("y1"), -0.03, 0.03)
    meets = np.where(p.shared > 0, ramp(p.shared / p.least("area"), 0.0, 0.06), 0.0)
    foot = 0.4 * ramp(p.distance, 0.10, 0.02) * (p.gap_x < 0)
    return lower * np.maximum(meets, foot)


def _inside(p: Pairs) -> Reals:
    larger = np.log(p.b("area") / p.a("area"))
    return ramp(p.shared / p.a("area"), 0.3, 0.8) * ramp(larger, -0.2, 0.2)


_RELATIONS: Final[dict[str, Callable[[Pairs], Reals]]] = {
    "left_of": _left_of,
    "right_of": lambda p: _turned(_left_of(p)),
    "above": _above,
    "below": lambda p: _turned(_above(p)),
    "on": _on,
    "under": _under,
    "next_to": _next_to,
    "in_front_of": _in_front_of,
    "behind": lambda p: _turned(_in_front_of(p)),
    "inside": _inside,
    "nearest": lambda p: np.exp(-p.distance / _REACH),
    "furthest": lambda p: 1 - np.exp(-p.distance / (3 * _REACH)),
}


def relation_fit(name: str, pairs: Pairs) -> Reals:
    """How well each box stands in a relation to each other, (..., N, N): row to column; 0 to itself.

    Of depth, boxes tell only that what stands lower is nearer.

    Raises:
        ValueError: no relation of two of that name.
    """
    if name not in _RELATIONS:
        raise ValueError(f"a relation is one of {sorted(_RELATIONS)}, got {name!r}")
    fit = _RELATIONS[name](pairs)
    return fit * (1 - np.eye(fit.shape[-1]))


def between_fit(pairs: Pairs) -> Reals:
    """How well each box lies between each two others, (..., N, N, N): near the line that joins their centres, away from
    its ends; 0 where two of the three are the same.
    """
    line_x, line_y = pairs.b("cx") - pairs.a("cx"), pairs.b("cy") - pairs.a("cy")  # [b, c]: from b to c
    away_x, away_y = -line_x[..., :, :, None], -line_y[..., :, :, None]  # [a, b, 1]: from b to a
    line_x, line_y = line_x[..., None, :, :], line_y[..., None, :, :]  # [1, b, c]
    length = np.maximum(np.hypot(line_x, line_y), 1e-6)
    along = (away_x * line_x + away_y * line_y) / length**2
    off = np.abs(away_x * line_y - away_y * line_x) / length
    other = 1 - np.eye(line_x.shape[-1])
    distinct = other[:, :, None] * other[:, None, :] * other[None, :, :]
    return ramp(np.minimum(along, 1 - along), *_SPAN) * ramp(off, *_OFF) * distinct
