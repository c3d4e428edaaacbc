"""Places and ranks of boxes, on pictures small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reir.geometry.places import (
    Pairs,
    between_fit,
    centres_of,
    clock_fit,
    half_of_centres,
    ramp,
    region_fit,
    relation_fit,
)
from reir.geometry.ranks import axis_keys, count_chance, in_column, leads, middle_chances, place_chances

SIZE = (100, 100)


def around(*points: tuple[float, float], half: float = 5.0) -> np.ndarray:
    """Squares around points."""
    return np.array([(x - half, y - half, x + half, y + half) for x, y in points])


def best(fit: np.ndarray) -> int:
    return int(np.argmax(fit))


NINE = around(*((x, y) for y in (15, 50, 85) for x in (15, 50, 85)))


def test_a_ramp_passes_half_in_the_middle_in_either_direction() -> None:
    assert ramp(0.3, 0.2, 0.4) == pytest.approx(0.5)
    assert ramp([0.2, 0.4], 0.2, 0.4) == pytest.approx([0.047, 0.953], abs=1e-3)
    assert ramp([0.2, 0.4], 0.4, 0.2) == pytest.approx([0.953, 0.047], abs=1e-3)


@pytest.mark.parametrize(
    ("sides", "fields"),
    [
        (("left",), {0, 3, 6}),
        (("right",), {2, 5, 8}),
        (("top",), {0, 1, 2}),
        (("bottom",), {6, 7, 8}),
        (("middle",), {4}),
        (("top", "left"), {0}),
        (("bottom", "right"), {8}),
        (("middle", "left"), {3}),
        (("top", "middle"), {1}),
        (("front",), {6, 7, 8}),
    ],
)
def test_each_field_of_a_picture_is_where_words_say(sides: tuple[str, ...], fields: set[int]) -> None:
    assert set(np.flatnonzero(region_fit(NINE, sides, SIZE) > 0.5).tolist()) == fields


def test_what_is_far_from_the_camera_is_not_in_front() -> None:
    assert region_fit(NINE, ("back",), SIZE) == pytest.approx(1 - region_fit(NINE, ("front",), SIZE))


@pytest.mark.parametrize(("hour", "field"), [(12, 1), (3, 5), (6, 7), (9, 3)])
def test_hours_are_directions_from_the_middle(hour: int, field: int) -> None:
    assert np.flatnonzero(clock_fit(NINE, hour, SIZE) > 0.5).tolist() == [field]


def test_the_half_of_centres_holds_the_median() -> None:
    centres = centres_of(around((10, 50), (40, 20), (90, 80)))
    assert half_of_centres(centres, "left").tolist() == [True, True, False]
    assert half_of_centres(centres, "right").tolist() == [False, True, True]
    assert half_of_centres(centres, "top").tolist() == [True, True, False]
    assert half_of_centres(centres, "bottom").tolist() == [True, False, True]
    row = centres_of(around((10, 50), (45, 50), (60, 50), (90, 50), (30, 50)))  # the middle of them all is 50
    assert half_of_centres(row, "middle").tolist() == [False, True, True, False, True]
    assert half_of_centres(np.zeros((2, 2)), "left").tolist() == [True, True]  # equal ones are in both halves
    assert half_of_centres(np.zeros((0, 2)), "left").tolist() == []


A_TABLE = np.array(
    [
        (30, 50, 70, 80),  # 0 a table
        (45, 38, 55, 52),  # 1 on it
        (10, 55, 22, 80),  # 2 left of it, with a gap of 8
        (40, 84, 60, 98),  # 3 under it
        (75, 55, 88, 80),  # 4 right of it
        (45, 5, 55, 15),  # 5 above all
    ]
)


@pytest.mark.parametrize(
    ("relation", "fits"),
    [
        ("left_of", {2}),
        ("right_of", {4}),
        ("above", {5}),
        ("below", {3}),
        ("on", {1}),
        ("under", {3}),
        ("next_to", {2, 4}),
    ],
)
def test_relations_to_the_table(relation: str, fits: set[int]) -> None:
    fit = relation_fit(relation, Pairs(A_TABLE, SIZE))
    either = {1} if relation in ("above", "next_to") else set()  # of what stands on it both may be said
    assert set(np.flatnonzero(fit[:, 0] > 0.5).tolist()) - either == fits - either
    assert fit.diagonal() == pytest.approx(0.0)


def test_converse_relations_are_transposed() -> None:
    pairs = Pairs(A_TABLE, SIZE)
    for one, other in (("left_of", "right_of"), ("above", "below"), ("in_front_of", "behind")):
        assert relation_fit(one, pairs) == pytest.approx(relation_fit(other, pairs).T)


def test_what_overlaps_and_stands_lower_is_in_front_and_what_is_within_is_inside() -> None:
    boxes = np.array([(20, 20, 50, 60), (40, 30, 70, 80), (25, 25, 35, 35)])
    front, inside = (relation_fit(name, Pairs(boxes, SIZE)) for name in ("in_front_of", "inside"))
    assert front[1, 0] > 0.9 > 0.1 > front[0, 1]
    assert inside[2, 0] > 0.9 > 0.1 > max(inside[0, 2], inside[1, 0])


def test_nearest_and_furthest_go_by_the_gap() -> None:
    pairs = Pairs(around((10, 50), (30, 50), (90, 50)), SIZE)
    assert best(relation_fit("nearest", pairs)[:, 0]) == 1
    assert best(relation_fit("furthest", pairs)[:, 0]) == 2


def test_between_is_near_the_line_and_away_from_its_ends() -> None:
    boxes = around((10, 50), (90, 50), (50, 52), (50, 95), (95, 50))
    fit = between_fit(Pairs(boxes, SIZE))[:, 0, 1]
    assert np.flatnonzero(fit > 0.5).tolist() == [2]
    assert fit[[0, 1]].tolist() == [0, 0]
    assert between_fit(Pairs(boxes, SIZE)) == pytest.approx(between_fit(Pairs(boxes, SIZE)).transpose(0, 2, 1))


@pytest.mark.parametrize(("axis", "order"), [("left", [0, 1, 2]), ("right", [2, 1, 0]), ("top", [1, 0, 2])])
def test_keys_grow_along_an_axis(axis: str, order: list[int]) -> None:
    boxes = around((10, 50), (40, 20), (90, 80))
    keys, _ = axis_keys(boxes, axis, SIZE)
    assert np.argsort(keys).tolist() == order


def test_keys_of_size_and_depth() -> None:
    boxes = np.array([(0, 0, 10, 40), (0, 0, 30, 20), (0, 60, 12, 90)])
    assert [
        best(-axis_keys(boxes, axis, SIZE)[0]) for axis in ("large", "small", "tall", "short", "wide", "narrow")
    ] == [
        0,
        1,
        0,
        1,
        1,
        0,
    ]
    assert [best(-axis_keys(boxes, axis, SIZE)[0]) for axis in ("front", "back")] == [2, 1]


def test_certain_members_are_counted_exactly() -> None:
    keys, gap = axis_keys(around((80, 50), (10, 50), (30, 50), (55, 50)), "left", SIZE)
    members = np.array([1.0, 1.0, 0.0, 1.0])  # the one at 30 is something else
    chances = [place_chances(leads(keys, gap), members, place) for place in (1, 2, 3)]
    assert [best(chance * members) for chance in chances] == [1, 3, 0]
    assert np.sum([chance * members for chance in chances], axis=0) == pytest.approx(members, abs=1e-6)
    assert best(middle_chances(leads(keys, gap), members) * members) == 3
    assert count_chance(members, 3) == pytest.approx(1.0)
    assert count_chance(members, 2) == pytest.approx(0.0)


def test_chances_are_those_of_all_ways_to_choose_members() -> None:
    rng = np.random.default_rng(4)
    members, keys = rng.random(5), np.sort(rng.random(5))
    before = (keys[None, :] < keys[:, None]).astype(float)
    expected, counted = np.zeros((3, 5)), np.zeros(6)
    for choice in range(32):
        taken = np.array([choice >> i & 1 for i in range(5)], dtype=bool)
        chance = np.where(taken, members, 1 - members).prod()
        counted[taken.sum()] += chance
        for i in range(5):
            if (ahead := taken[:i].sum()) < 3:
                expected[ahead, i] += chance
    for place in (1, 2, 3):
        assert place_chances(before, members, place) == pytest.approx(expected[place - 1])
    assert count_chance(members, 2) == pytest.approx(counted[2])


def test_equal_keys_share_a_place() -> None:
    keys, gap = axis_keys(around((50, 50), (50, 50)), "left", SIZE)
    first = place_chances(leads(keys, gap), [1.0, 1.0], 1)
    assert first == pytest.approx([0.5, 0.5])


def test_things_below_each_other_stand_in_a_column() -> None:
    assert bool(in_column(centres_of(around((50, 10), (52, 50), (49, 90))), [1, 1, 1]))
    assert not bool(in_column(centres_of(around((10, 50), (50, 52), (90, 49))), [1, 1, 1]))
    assert not bool(in_column(np.zeros((2, 2)), [0, 0]))


def test_several_pictures_at_once_are_each_as_by_itself() -> None:
    rng = np.random.default_rng(7)
    corners = rng.random((3, 6, 2)) * 60
    boxes = np.concatenate([corners, corners + 5 + 30 * rng.random((3, 6, 2))], axis=2)
    sizes = np.array([(100, 80), (60, 120), (90, 90)])
    members = rng.random((3, 6))
    pairs = Pairs(boxes, sizes)
    keys, gap = axis_keys(boxes, "front", sizes)
    for b in range(3):
        own = Pairs(boxes[b], sizes[b])
        for name in ("left_of", "on", "under", "next_to", "in_front_of", "inside", "nearest", "furthest"):
            assert relation_fit(name, pairs)[b] == pytest.approx(relation_fit(name, own))
        assert between_fit(pairs)[b] == pytest.approx(between_fit(own))
        assert region_fit(boxes, ("top", "left"), sizes)[b] == pytest.approx(
            region_fit(boxes[b], ("top", "left"), sizes[b])
        )
        assert clock_fit(boxes, 4, sizes)[b] == pytest.approx(clock_fit(boxes[b], 4, sizes[b]))
        assert keys[b] == pytest.approx(axis_keys(boxes[b], "front", sizes[b])[0])
        before = leads(keys, gap)
        assert place_chances(before, members, 2)[b] == pytest.approx(place_chances(before[b], members[b], 2))
        assert middle_chances(before, members)[b] == pytest.approx(middle_chances(before[b], members[b]))
        assert bool(in_column(centres_of(boxes), members)[b]) == bool(in_column(centres_of(boxes[b]), members[b]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: region_fit(NINE, ("north",), SIZE),
        lambda: half_of_centres(centres_of(NINE), "north"),
        lambda: relation_fit("beyond", Pairs(NINE, SIZE)),
        lambda: axis_keys(NINE, "north", SIZE),
    ],
)
def test_unknown_places_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match=r"north|beyond"):
        call()  # type: ignore[operator]
