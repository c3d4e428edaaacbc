"""Three-valued predicates over the boxes of a measured scene: true, false, or too close to call.

Each predicate compares two bodies; what it needs besides (does the lower thing carry others, is something else in
the way) comes with the body or the list of all bodies. Thresholds are in ``margins``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from reir.data.expressions import margins as m


class Truth(IntEnum):
    """The value of a predicate; borderline cases are undefined and never used."""

    FALSE = 0
    TRUE = 1
    UNDEFINED = 2


FALSE, TRUE, UNDEFINED = Truth.FALSE, Truth.TRUE, Truth.UNDEFINED


class Body(NamedTuple):
    """One object as the predicates see it: its visible box in scene units, its depth, its visible share.

    ``surface`` is where others stand on it, as a share of its height from the top (None: nothing does).
    """

    x0: float
    y0: float
    x1: float
    y1: float
    depth: int
    visible: float = 1.0
    surface: float | None = None

    @property
    def cx(self) -> float:
        """Centre, across."""
        return (self.x0 + self.x1) / 2

    @property
    def cy(self) -> float:
        """Centre, down."""
        return (self.y0 + self.y1) / 2

    @property
    def width(self) -> float:
        """Width of the box."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height of the box."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area of the box."""
        return self.width * self.height


Predicate = Callable[[Body, Body, Sequence[Body]], Truth]
"""Of two bodies, among all bodies of the scene."""


def _direction(along: float, across: float, overlap: float, narrower: float) -> Truth:
    if along <= m.DIRECTION_FALSE or across >= m.SLOPE_FALSE * along:
        return FALSE
    clear = along >= m.DIRECTION_TRUE and across <= m.SLOPE_TRUE * along
    return TRUE if clear and overlap <= m.DIRECTION_OVERLAP * narrower else UNDEFINED


def left_of(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """Whether ``a`` is clearly further left than ``b``, more sideways than up or down."""
    return _direction(b.cx - a.cx, abs(b.cy - a.cy), a.x1 - b.x0, min(a.width, b.width))


def right_of(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """The converse of ``left_of``."""
    return left_of(b, a)


def above(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """Whether ``a`` is clearly higher in the picture than ``b``; undefined for what stands on ``b``."""
    truth = _direction(b.cy - a.cy, abs(b.cx - a.cx), a.y1 - b.y0, min(a.height, b.height))
    return UNDEFINED if truth is TRUE and _stands_on(a, b) is not FALSE else truth


def below(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """The converse of ``above``."""
    return above(b, a)


def _stands_on(a: Body, b: Body) -> Truth:
    """Whether the lower edge of ``a`` meets the upper part of ``b``, whatever ``b`` is."""
    if a.cy >= b.cy:
        return FALSE
    surface = m.ON_SURFACE if b.surface is None else b.surface
    sunk = a.y1 - b.y0 - surface * b.height
    if sunk <= -m.ON_ABOVE_FALSE or sunk >= m.ON_SUNK_FALSE * b.height:
        return FALSE
    if a.cx <= b.x0 - m.ON_OUTSET_FALSE or a.cx >= b.x1 + m.ON_OUTSET_FALSE:
        return FALSE
    met = -m.ON_ABOVE_TRUE <= sunk <= m.ON_SUNK_TRUE * b.height
    inset = m.ON_INSET_TRUE * b.width
    carried = b.x0 + inset <= a.cx <= b.x1 - inset and a.width <= m.ON_WIDTH * b.width
    return TRUE if met and carried and a.depth > b.depth else UNDEFINED


def on(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """Whether ``a`` stands on ``b``, a thing that carries others; undefined for the same pose on anything else."""
    truth = _stands_on(a, b)
    return truth if b.surface is not None or truth is FALSE else UNDEFINED


def under(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """Whether ``a`` carries ``b``, or lies straight below it with a small gap."""
    carried = on(b, a)
    if carried is not FALSE:
        return carried
    gap = a.y0 - b.y1
    shared = (min(a.x1, b.x1) - max(a.x0, b.x0)) / min(a.width, b.width)
    sunk = -gap >= m.UNDER_SUNK_FALSE * min(a.height, b.height)
    if a.cy <= b.cy or gap >= m.UNDER_GAP_FALSE or shared <= m.UNDER_OVERLAP_FALSE or sunk:
        return FALSE
    if m.UNDER_GAP_TRUE[0] <= gap <= m.UNDER_GAP_TRUE[1] and shared >= m.UNDER_OVERLAP_TRUE:
        return TRUE
    return UNDEFINED


def next_to(a: Body, b: Body, _: Sequence[Body] = ()) -> Truth:
    """Whether the two stand side by side with a small gap, on about the same line."""
    gap_x = max(a.x0, b.x0) - min(a.x1, b.x1)
    gap_y = max(a.y0, b.y0) - min(a.y1, b.y1)
    if max(gap_x, 0.0) ** 2 + max(gap_y, 0.0) ** 2 >= m.NEXT_GAP_FALSE**2:
        return FALSE
    beside = -m.NEXT_OVERLAP * min(a.width, b.width) <= gap_x <= m.NEXT_GAP_TRUE
    level = -gap_y >= m.NEXT_LEVEL * min(a.height, b.height)
    return TRUE if beside and level else UNDEFINED


def in_front_of(a: Body, b: Body, bodies: Sequence[Body]) -> Truth:
    """Whether ``a`` hides a part of ``b``; undefined for what stands on ``b`` or right at its foot."""
    gap_x = max(a.x0, b.x0) - min(a.x1, b.x1)
    gap_y = max(a.y0, b.y0) - min(a.y1, b.y1)
    if gap_x >= m.FRONT_TOUCH or gap_y >= m.FRONT_TOUCH:
        at_foot = gap_x < 0 and a.cy > b.cy and gap_y < m.FRONT_FOOT
        return UNDEFINED if at_foot else FALSE
    if a.depth < b.depth:
        return FALSE
    if on(a, b) is not FALSE:
        return UNDEFINED
    shared = max(-gap_x, 0.0) * max(-gap_y, 0.0) if gap_x < 0 and gap_y < 0 else 0.0
    share = shared / min(a.area, b.area)
    if share < m.FRONT_OVERLAP_TRUE or b.visible > m.FRONT_HIDDEN_TRUE:
        return UNDEFINED
    if share >= m.FRONT_SURE or not _others_hide(a, b, bodies):
        return TRUE
    return UNDEFINED


def _others_hide(a: Body, b: Body, bodies: Sequence[Body]) -> bool:
    for other in bodies:
        if other.depth > b.depth and other.depth != a.depth:
            width = min(other.x1, b.x1) - max(other.x0, b.x0)
            height = min(other.y1, b.y1) - max(other.y0, b.y0)
            if width > 0 and height > 0 and width * height > m.FRONT_ALONE * b.area:
                return True
    return False


def behind(a: Body, b: Body, bodies: Sequence[Body]) -> Truth:
    """The converse of ``in_front_of``."""
    return in_front_of(b, a, bodies)


def between(a: Body, b: Body, c: Body) -> Truth:
    """Whether ``a`` lies near the line from the centre of ``b`` to that of ``c``, away from its ends."""
    dx, dy = c.cx - b.cx, c.cy - b.cy
    length = (dx * dx + dy * dy) ** 0.5
    if length < 1e-6:
        return FALSE
    ax, ay = a.cx - b.cx, a.cy - b.cy
    along = (ax * dx + ay * dy) / (length * length)
    off = abs(ax * dy - ay * dx) / length
    end = min(along, 1.0 - along)
    if end <= m.BETWEEN_SPAN_FALSE or off >= m.BETWEEN_OFF_FALSE:
        return FALSE
    clear = end >= m.BETWEEN_SPAN_TRUE and off <= m.BETWEEN_OFF_TRUE
    return TRUE if clear and _apart(a, b) and _apart(a, c) else UNDEFINED


def _apart(a: Body, b: Body) -> bool:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width <= 0 or height <= 0 or width * height <= m.BETWEEN_OVERLAP * min(a.area, b.area)


RELATIONS: Final[dict[str, Predicate]] = {
    "left_of": left_of,
    "right_of": right_of,
    "above": above,
    "below": below,
    "on": on,
    "under": under,
    "next_to": next_to,
    "in_front_of": in_front_of,
    "behind": behind,
}
"""The relations of one thing to one other, by name; ``between`` has two others and stands apart."""


def _axis_position(value: float, near: float, far: float) -> Truth:
    return TRUE if value <= near else FALSE if value >= far else UNDEFINED


def _corner(x: float, y: float) -> Truth:
    if x >= m.CORNER_FALSE or y >= m.CORNER_FALSE:
        return FALSE
    return TRUE if x <= m.CORNER_TRUE and y <= m.CORNER_TRUE else UNDEFINED


def _centre(x: float, y: float) -> Truth:
    off = max(abs(x - 0.5), abs(y - 0.5))
    return _axis_position(off, m.CENTRE_TRUE, m.CENTRE_FALSE)


POSITIONS: Final[dict[str, Callable[[float, float], Truth]]] = {
    "left": lambda x, _: _axis_position(x, m.EDGE_TRUE, m.EDGE_FALSE),
    "right": lambda x, _: _axis_position(1 - x, m.EDGE_TRUE, m.EDGE_FALSE),
    "top": lambda _, y: _axis_position(y, m.EDGE_TRUE, m.EDGE_FALSE),
    "bottom": lambda _, y: _axis_position(1 - y, m.EDGE_TRUE, m.EDGE_FALSE),
    "centre": _centre,
    "top_left": _corner,
    "top_right": lambda x, y: _corner(1 - x, y),
    "bottom_left": lambda x, y: _corner(x, 1 - y),
    "bottom_right": lambda x, y: _corner(1 - x, 1 - y),
}
"""Places in the picture, of a centre given as shares of width and height."""
