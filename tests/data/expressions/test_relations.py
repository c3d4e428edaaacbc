"""Each relation on boxes made by hand: clearly true, clearly false, and on both sides of its margins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.data.expressions import margins as m
from reir.data.expressions.relations import POSITIONS, RELATIONS, Body, Truth, between

F, T, U = Truth.FALSE, Truth.TRUE, Truth.UNDEFINED


def box(cx: float, cy: float, width: float = 0.2, height: float = 0.2, depth: int = 0, **more: float) -> Body:
    return Body(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, depth, **more)


def truth(name: str, a: Body, b: Body, *others: Body) -> Truth:
    return RELATIONS[name](a, b, (a, b, *others))


@pytest.mark.parametrize(
    ("dx", "dy", "expected"),
    [
        (0.4, 0.0, T),
        (0.4, 0.4, T),
        (0.19, 0.0, T),
        (0.155, 0.0, T),  # overlap of 0.045: less than a quarter of the width
        (0.14, 0.0, U),  # overlap of 0.06: more than a quarter
        (0.05, 0.0, U),
        (0.019, 0.0, F),
        (0.0, 0.0, F),
        (-0.4, 0.0, F),
        (0.3, 0.47, T),  # just inside the cone
        (0.3, 0.49, U),
        (0.3, 0.77, U),
        (0.3, 0.79, F),
        (0.1, 0.5, F),
    ],
)
def test_directions(dx: float, dy: float, expected: Truth) -> None:
    a, b = box(0.0, 0.0, depth=0), box(dx, dy, depth=1)
    assert truth("left_of", a, b) == expected
    assert truth("right_of", b, a) == expected
    # Up and down are the same words turned by a quarter, but for things that all but touch: one may stand on the other.
    if expected == T and dx < 0.21:
        expected = U
    a, b = box(0.0, 0.0, depth=0), box(dy, dx, depth=1)
    assert truth("above", a, b) == expected
    assert truth("below", b, a) == expected


def carrier(surface: float | None = 0.2) -> Body:
    return Body(0.0, 0.0, 0.4, 0.3, 0, surface=surface)  # the surface lies at y = 0.06


def rider(bottom: float, x: float = 0.2, depth: int = 1, width: float = 0.14) -> Body:
    return Body(x - width / 2, bottom - 0.14, x + width / 2, bottom, depth)


@pytest.mark.parametrize(
    ("bottom", "x", "depth", "expected"),
    [
        (0.06, 0.2, 1, T),
        (0.031, 0.2, 1, T),  # floats 0.029 above the surface
        (0.02, 0.2, 1, U),
        (-0.02, 0.2, 1, F),
        (0.10, 0.2, 1, T),  # sunk by 0.04 of 0.3
        (0.12, 0.2, 1, U),
        (0.16, 0.2, 1, F),
        (0.06, 0.05, 1, T),
        (0.06, 0.03, 1, U),  # too near the edge
        (0.06, -0.05, 1, F),
        (0.06, 0.2, -1, U),  # drawn behind what it would stand on
    ],
)
def test_on(bottom: float, x: float, depth: int, expected: Truth) -> None:
    a, b = rider(bottom, x, depth), carrier()
    assert truth("on", a, b) == expected
    if expected != F:
        assert truth("under", b, a) == expected
        assert truth("above", a, b) != T
        assert truth("in_front_of", a, b) != T


def test_nothing_stands_on_what_carries_nothing_but_the_pose_is_undefined() -> None:
    assert truth("on", rider(0.10), carrier(None)) == U
    assert truth("on", rider(-0.3), carrier(None)) == F


def test_things_wider_than_the_carrier_do_not_clearly_stand_on_it() -> None:
    assert truth("on", rider(0.06, width=0.5), carrier()) == T
    assert truth("on", rider(0.06, width=0.55), carrier()) == U


@pytest.mark.parametrize(
    ("gap", "x", "expected"),
    [
        (0.05, 0.0, T),
        (0.14, 0.0, T),
        (0.15, 0.0, U),
        (0.23, 0.0, F),
        (0.0, 0.0, T),
        (-0.01, 0.0, U),  # as if it stood on a thing that carries nothing
        (-0.15, 0.0, F),
        (0.05, 0.1, T),
        (0.05, 0.11, U),
        (0.05, 0.19, F),
    ],
)
def test_under(gap: float, x: float, expected: Truth) -> None:
    upper, lower = box(0.0, 0.0, depth=0), box(x, 0.2 + gap, depth=1)
    assert truth("under", lower, upper) == expected
    assert truth("under", upper, lower) != T


@pytest.mark.parametrize(
    ("gap", "dy", "expected"),
    [
        (0.05, 0.0, T),
        (0.099, 0.0, T),
        (0.12, 0.0, U),
        (0.17, 0.0, F),
        (-0.02, 0.0, T),
        (-0.05, 0.0, U),
        (0.05, 0.09, T),
        (0.05, 0.11, U),  # less than half of the height in common
        (0.05, 0.40, F),
        (0.12, 0.32, F),  # 0.12 across and 0.12 down: the corners are 0.17 apart
    ],
)
def test_next_to(gap: float, dy: float, expected: Truth) -> None:
    a, b = box(0.0, 0.0, depth=0), box(0.2 + gap, dy, depth=1)
    assert truth("next_to", a, b) == expected
    assert truth("next_to", b, a) == expected


def test_in_front_of_needs_overlap_order_and_something_hidden() -> None:
    back = box(0.0, 0.0, depth=0, visible=0.8)
    front = box(0.15, 0.02, depth=1)
    assert truth("in_front_of", front, back) == T
    assert truth("behind", back, front) == T
    assert truth("in_front_of", back, front) == F
    assert truth("behind", front, back) == F
    assert truth("in_front_of", front, back._replace(visible=0.97)) == U  # only the boxes overlap
    assert truth("in_front_of", box(0.192, 0.0, depth=1), back) == U  # hardly overlaps
    assert truth("in_front_of", box(0.3, 0.0, depth=1), back) == F
    assert truth("in_front_of", box(0.205, 0.0, depth=1), back) == U  # touches
    assert truth("in_front_of", box(0.0, 0.24, depth=1), back) == U  # at its foot
    assert truth("in_front_of", box(0.0, 0.26, depth=1), back) == F


def test_in_front_of_is_undefined_where_another_thing_may_be_what_hides() -> None:
    back, front = box(0.0, 0.0, depth=0, visible=0.8), box(0.17, 0.0, depth=1)
    other = box(-0.1, 0.0, depth=2)
    assert truth("in_front_of", front, back) == T
    assert truth("in_front_of", front, back, other) == U
    assert truth("in_front_of", box(0.15, 0.0, depth=1), back, other) == T  # hides much of it in any case
    assert truth("in_front_of", other, back, front) == T


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0.4, 0.0, T),
        (0.3, 0.09, T),
        (0.25, 0.0, T),
        (0.4, 0.11, U),
        (0.4, 0.23, F),
        (0.15, 0.0, U),  # too near one end
        (0.05, 0.0, F),
        (-0.2, 0.0, F),
        (1.0, 0.0, F),
    ],
)
def test_between(x: float, y: float, expected: Truth) -> None:
    ends = box(0.0, 0.0, depth=0), box(0.8, 0.0, depth=1)
    middle = box(x, y, depth=2)
    assert between(middle, *ends) == expected
    assert between(middle, *ends[::-1]) == expected
    turned = [body._replace(x0=body.y0, y0=body.x0, x1=body.y1, y1=body.x1) for body in (middle, *ends)]
    assert between(*turned) == expected


@pytest.mark.parametrize(
    ("name", "x", "y", "expected"),
    [
        ("left", 0.30, 0.9, T),
        ("left", 0.35, 0.9, U),
        ("left", 0.42, 0.9, F),
        ("right", 0.71, 0.1, T),
        ("right", 0.65, 0.1, U),
        ("right", 0.58, 0.1, F),
        ("top", 0.9, 0.30, T),
        ("top", 0.9, 0.42, F),
        ("bottom", 0.1, 0.71, T),
        ("bottom", 0.1, 0.58, F),
        ("centre", 0.6, 0.4, T),
        ("centre", 0.65, 0.5, U),
        ("centre", 0.5, 0.73, F),
        ("top_left", 0.3, 0.3, T),
        ("top_left", 0.4, 0.3, U),
        ("top_left", 0.45, 0.1, F),
        ("top_right", 0.7, 0.3, T),
        ("bottom_left", 0.3, 0.7, T),
        ("bottom_right", 0.7, 0.7, T),
        ("bottom_right", 0.7, 0.3, F),
    ],
)
def test_positions(name: str, x: float, y: float, expected: Truth) -> None:
    assert POSITIONS[name](x, y) == expected


coordinates = st.floats(0.0, 1.2)
sides = st.floats(0.08, 0.45)
bodies = st.builds(box, coordinates, coordinates, sides, sides)


@given(bodies, bodies, st.floats(0.5, 1.0), st.sampled_from([None, 0.0, 0.3]))
def test_opposites_are_never_both_true_and_converses_agree(
    a: Body, b: Body, visible: float, surface: float | None
) -> None:
    a, b = a._replace(depth=0, visible=visible, surface=surface), b._replace(depth=1, surface=surface)
    for one, other in [("left_of", "right_of"), ("above", "below"), ("on", "under"), ("in_front_of", "behind")]:
        assert not (truth(one, a, b) == T and truth(other, a, b) == T)
    for one, other in [("left_of", "right_of"), ("above", "below"), ("in_front_of", "behind"), ("next_to", "next_to")]:
        assert truth(one, a, b) == truth(other, b, a)


@given(bodies, bodies, st.floats(0.5, 1.0))
def test_a_mirror_exchanges_left_and_right_alone(a: Body, b: Body, visible: float) -> None:
    a, b = a._replace(depth=0, visible=visible), b._replace(depth=1)
    turned = [body._replace(x0=2.0 - body.x1, x1=2.0 - body.x0) for body in (a, b)]
    swapped = {"left_of": "right_of", "right_of": "left_of"}
    for name in RELATIONS:
        # Mirroring rounds: compare only where a hair's breadth does not matter.
        if truth(name, a, b) in (T, F) and truth(swapped.get(name, name), *turned) in (T, F):
            assert truth(name, a, b) == truth(swapped.get(name, name), *turned)


@given(bodies, bodies)
def test_true_and_false_are_never_neighbours(a: Body, b: Body) -> None:
    """Moving a thing by less than the narrowest margin never turns true into false."""
    step = 0.004
    a, b = a._replace(depth=0), b._replace(depth=1)
    moved = a._replace(x0=a.x0 + step, x1=a.x1 + step)
    for name in ("left_of", "right_of", "above", "below", "next_to", "under"):
        assert {truth(name, a, b), truth(name, moved, b)} != {T, F}, name


def test_margins_leave_room() -> None:
    assert m.DIRECTION_FALSE < m.DIRECTION_TRUE
    assert m.SLOPE_TRUE < m.SLOPE_FALSE
    assert m.ON_ABOVE_TRUE < m.ON_ABOVE_FALSE
    assert m.ON_SUNK_TRUE < m.ON_SUNK_FALSE
    assert m.NEXT_GAP_TRUE < m.NEXT_GAP_FALSE
    assert m.EDGE_TRUE < m.EDGE_FALSE
    assert m.CORNER_TRUE < m.CORNER_FALSE
    assert m.CENTRE_TRUE < m.CENTRE_FALSE
