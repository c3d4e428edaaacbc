from __future__ import annotations

from dataclasses import replace

import pytest

from reir.data.expressions import (
    Between,
    Denotation,
    Description,
    Position,
    Rank,
    Relation,
    SceneFacts,
    denote,
)
from reir.data.layout import lay_out
from reir.data.scenes.scene import Scene, SceneObject


def thing(noun: str, colour: str, cx: float, cy: float, extent: float = 0.15) -> SceneObject:
    half = extent / 2
    box = (cx - half, cy - half, cx + half, cy + half)
    return SceneObject(noun, colour, "small", cx, cy, extent, box=box, visible=1.0)


def scene(*things: SceneObject) -> Scene:
    return Scene(0, 1.0, "meadow", 0.4, things)


CATS = scene(
    thing("cat", "red", 0.15, 0.5),
    thing("dog", "blue", 0.4, 0.5),
    thing("cat", "blue", 0.6, 0.5),
    thing("cat", "red", 0.85, 0.5, 0.2),
)
DOG = Description("dog")


def test_attributes() -> None:
    assert denote(Description("cat"), CATS) == Denotation((0, 2, 3), ())
    assert denote(Description("cat", "red"), CATS) == Denotation((0, 3), ())
    assert denote(Description("cat", "red", "large"), CATS) == Denotation((), ())
    assert denote(Description("cow"), CATS) == Denotation((), ())


def test_one_anchor() -> None:
    assert denote(Description("cat", None, None, (Relation("left_of", DOG),)), CATS) == Denotation((0,), ())
    assert denote(Description("cat", None, None, (Relation("right_of", DOG),)), CATS) == Denotation((2, 3), ())


def test_a_direction_from_things_on_both_sides_is_undefined() -> None:
    beside_cats = Description("dog", None, None, (Relation("left_of", Description("cat")),))
    assert denote(beside_cats, CATS) == Denotation((), (1,))
    beside_blue = Description("dog", None, None, (Relation("left_of", Description("cat", "blue")),))
    assert denote(beside_blue, CATS) == Denotation((1,), ())


def test_one_neighbour_of_several_is_enough() -> None:
    assert denote(Description("dog", None, None, (Relation("next_to", Description("cat")),)), CATS).true == (1,)


def test_a_thing_is_not_its_own_anchor() -> None:
    other_cat = Description("cat", None, None, (Relation("left_of", Description("cat", "red")),))
    # The first cat is left of the last; the blue one has red cats on both sides.
    assert denote(other_cat, CATS) == Denotation((0,), (2,))


def test_nested_and_joined_constraints() -> None:
    dog_by_blue = Description("dog", None, None, (Relation("left_of", Description("cat", "blue")),))
    assert denote(Description("cat", None, None, (Relation("left_of", dog_by_blue),)), CATS) == Denotation((0,), ())
    both = (Relation("right_of", DOG), Position("right"))
    assert denote(Description("cat", None, None, both), CATS) == Denotation((3,), (2,))


def test_between_takes_two_different_things() -> None:
    cat = Description("cat")
    assert denote(Description("dog", None, None, (Between(cat, cat),)), CATS) == Denotation((1,), ())
    assert denote(Description("dog", None, None, (Between(cat, Description("cat", "blue")),)), CATS).true == (1,)
    pair = scene(thing("cat", "red", 0.2, 0.5), thing("dog", "red", 0.5, 0.5))
    assert denote(Description("dog", None, None, (Between(cat, cat),)), pair) == Denotation((), ())


def test_ranks() -> None:
    def ranked(*arguments: object, **more: object) -> Denotation:
        return denote(Description("cat", None, None, (Rank(*arguments, **more),)), CATS)  # type: ignore[arg-type]

    assert ranked("left") == Denotation((0,), ())
    assert ranked("right", 2) == Denotation((2,), ())
    assert ranked("left", 2, colour="red") == Denotation((3,), ())
    assert ranked("left", 4) == Denotation((), ())
    assert ranked("left", count=3) == Denotation((0,), ())
    assert ranked("left", count=2) == Denotation((), ())
    assert ranked("large") == Denotation((3,), ())
    assert ranked("small") == Denotation((), (0, 2))
    assert ranked("top") == Denotation((), (0, 2, 3))


def test_a_single_thing_has_no_rank() -> None:
    assert denote(Description("dog", None, None, (Rank("left"),)), CATS) == Denotation((), ())


def test_nouns_are_all_nouns_of_the_tree() -> None:
    inner = Description("dog", None, None, (Relation("on", Description("bed")),))
    program = Description("cat", None, None, (Relation("left_of", inner), Between(Description("cup"), DOG)))
    assert program.nouns == {"cat", "dog", "bed", "cup"}
    assert Description.from_json(program.to_json()) == program


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="'beyond'"):
        Relation("beyond", DOG)
    with pytest.raises(ValueError, match="'outside'"):
        Position("outside")
    with pytest.raises(ValueError, match="'mauve'"):
        Description("dog", "mauve")
    with pytest.raises(ValueError, match="'enormous'"):
        Description("dog", None, "enormous")
    with pytest.raises(ValueError, match="'diagonal'"):
        Rank("diagonal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no place 3 among 2"):
        Rank("left", 3, count=2)


def test_a_scene_must_be_measured() -> None:
    with pytest.raises(ValueError, match="not measured"):
        SceneFacts(lay_out(7))


def test_equal_scenes_are_not_confused_by_the_cache() -> None:
    turned = replace(CATS, objects=tuple(replace(item, colour="green") for item in CATS.objects))
    for _ in range(3):
        assert denote(Description("cat", "red"), CATS).true == (0, 3)
        assert denote(Description("cat", "red"), turned).true == ()
