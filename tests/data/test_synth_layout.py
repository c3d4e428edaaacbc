from __future__ import annotations

import math
import random
from collections import Counter
from functools import cache

import pytest

from reir.data.expressions import RELATIONS, denote, describe, facts_of
from reir.data.layout import ASPECTS, MINIMUM_VISIBLE, lay_out, make_scene, picture_size, resized
from reir.data.layout.styles import SHIFTED, USUAL
from reir.data.scenes.places import ELSEWHERE, PLACES, ground
from reir.data.scenes.scene import COLOURS, GREY, SIZES, Scene

COUNT = 600


@cache
def scenes() -> tuple[Scene, ...]:
    return tuple(make_scene(92_000_000 + i) for i in range(COUNT))


def test_the_same_seed_gives_the_same_scene() -> None:
    assert [make_scene(seed) for seed in range(5)] == [make_scene(seed) for seed in range(5)]
    assert make_scene(1) != make_scene(2)
    assert lay_out(3) != lay_out(3, take=1)


def test_scenes_have_two_to_seven_things_that_can_be_seen() -> None:
    counts = Counter(len(scene.objects) for scene in scenes())
    assert set(counts) == {2, 3, 4, 5, 6, 7}
    for scene in scenes():
        assert min(thing.visible for thing in scene.objects) >= MINIMUM_VISIBLE


def test_things_lie_inside_the_picture() -> None:
    for scene in scenes():
        width, height = scene.size_units
        for thing in scene.objects:
            x0, y0, x1, y1 = thing.box
            assert -1e-6 <= x0 < x1 <= width + 1e-6
            assert -1e-6 <= y0 < y1 <= height + 1e-6


def test_size_classes_keep_their_gaps() -> None:
    for scene in scenes():
        for thing in scene.objects:
            low, high = USUAL.extents[thing.size]
            assert low - 1e-4 <= thing.extent <= high + 1e-4
    for style in (USUAL, SHIFTED):
        assert style.extents["small"][1] * 1.2 < style.extents["medium"][0]
        assert style.extents["medium"][1] * 1.2 < style.extents["large"][0]


def test_variety() -> None:
    assert {scene.place for scene in scenes()} == set(PLACES)
    assert {scene.aspect for scene in scenes()} == {aspect for aspect, _ in ASPECTS}
    things = [thing for scene in scenes() for thing in scene.objects]
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {thing.size for thing in things} == set(SIZES)
    assert len({thing.noun for thing in things}) >= 120
    assert 0.4 < sum(thing.mirrored for thing in things) / len(things) < 0.6
    steep = sum(abs(thing.rotation) > 15 for thing in things) / len(things)
    assert 0 < steep < 0.1


def test_nouns_are_repeated_on_purpose() -> None:
    repeated = [Counter(thing.noun for thing in scene.objects).most_common(1)[0][1] for scene in scenes()]
    assert 0.35 < sum(count >= 2 for count in repeated) / COUNT < 0.55
    assert sum(count >= 3 for count in repeated) / COUNT > 0.08


def test_every_relation_is_arranged() -> None:
    counts: Counter[str] = Counter()
    for scene in scenes():
        facts = facts_of(scene)
        for name in RELATIONS:
            counts[name] += any(facts.table(name)[0])
    assert min(counts[name] for name in RELATIONS) > 0.1 * COUNT


def test_most_things_stand_on_the_ground() -> None:
    standing = total = 0
    for scene in scenes():
        low, high = ground(scene)
        for thing in scene.objects:
            standing += low <= thing.box[3] <= high
            total += 1
    assert standing > 0.6 * total


def test_picture_sizes_cover_thumbnails_to_twelve_megapixels() -> None:
    sizes = [picture_size(scene) for scene in scenes()]
    for scene, (width, height) in zip(scenes(), sizes, strict=True):
        assert width / height == pytest.approx(scene.aspect, rel=0.02)
        assert width * height <= 4032 * 3024 * 1.01
    longer = sorted(max(size) for size in sizes)
    assert 160 <= longer[0] < 200
    assert longer[-1] > 2500
    assert sum(320 <= side <= 1024 for side in longer) > 0.75 * COUNT
    assert picture_size(scenes()[0]) == picture_size(make_scene(92_000_000))


def test_sizes_can_be_asked_for() -> None:
    for scene in scenes():
        width, height = resized(scene, size=(4032, 3024))
        if math.isclose(scene.aspect, 4 / 3):
            assert (width, height) == (4032, 3024)
        elif math.isclose(scene.aspect, 3 / 4):
            assert (width, height) == (3024, 4032)
        else:
            assert (width, height) == picture_size(scene)
        bounded = resized(scene, max_side=400)
        assert max(bounded) <= 400
        assert bounded[0] / bounded[1] == pytest.approx(scene.aspect, rel=0.02)


def test_shifted_scenes_are_elsewhere_and_some_of_their_things_are_grey() -> None:
    shifted = [make_scene(92_000_000 + i, SHIFTED) for i in range(120)]
    assert {scene.place for scene in shifted} == set(ELSEWHERE)
    things = [thing for scene in shifted for thing in scene.objects]
    assert 0.1 < sum(thing.colour == GREY for thing in things) / len(things) < 0.3
    assert {thing.colour for thing in things} == {*COLOURS, GREY}
    assert max(abs(thing.rotation) for thing in things) > USUAL.most_turn
    assert GREY not in {thing.colour for scene in scenes() for thing in scene.objects}


def test_no_expression_of_a_shifted_scene_names_a_colour_that_is_not_seen() -> None:
    grey = named = 0
    for i in range(60):
        scene = make_scene(92_000_000 + i, SHIFTED)
        for expression, target in describe(scene, random.Random(i), 12):
            assert denote(expression.program, scene).true == (target,)
            assert GREY not in expression.text
            if scene.objects[target].colour == GREY:
                grey += 1
                assert expression.program.colour is None
            named += expression.program.colour is not None
    assert grey > 60
    assert named > 200
