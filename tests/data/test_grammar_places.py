"""The reader of places against the emoji grammar, which knows what its sentences mean."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import pytest

from reir.data.expressions import KINDS, Between, Description, Expression, Position, Rank, Relation, describe
from reir.data.expressions.wording import SIZE_WORDS, names_of, plural_of
from reir.data.layout import make_scene
from reir.data.scenes.scene import COLOURS
from reir.data.splits import SPLITS
from reir.text import spatial
from reir.text.plurals import singular

SCENES = 120
SIDES = {"centre": ("middle",)}


@cache
def written() -> tuple[Expression, ...]:
    """Some thousand expressions of all kinds."""
    split, rng = SPLITS["train"], Random(3)
    scenes = [make_scene(seed, split.style) for seed in split.seeds(SCENES, 0)]
    return tuple(expression for scene in scenes for expression, _ in describe(scene, rng, 20))


def same_words(phrase: str, thing: Description, colour: str | None, size: str | None) -> bool:
    """Whether a phrase is one of those that the grammar writes for a thing."""
    name = phrase
    names = {*names_of(thing.noun), singular(plural_of(thing.noun)), plural_of(thing.noun)}
    attributes = []
    while name not in names and " " in name:
        first, _, name = name.partition(" ")
        attributes.append(first)
    colours = [word for word in attributes if word in COLOURS]
    sizes = [word for word in attributes if word not in COLOURS]
    fitting = SIZE_WORDS[size] if size else ()
    return (
        name in names
        and colours == ([colour] if colour else [])
        and (sizes[0] in fitting if size and sizes else not sizes)
    )


def agrees(program: Description, read: spatial.Described) -> bool:
    """Whether the tree means what the program means."""
    rank = next((constraint for constraint in program.where if isinstance(constraint, Rank)), None)
    colour = program.colour or (rank.colour if rank else None)
    size = program.size or (rank.size if rank else None)
    if not same_words(read.phrase, program, colour, size) or len(program.where) != len(read.where):
        return False
    ranks_last = sorted(program.where, key=lambda constraint: isinstance(constraint, Rank))
    return all(agrees_on(wanted, found, program) for wanted, found in zip(ranks_last, read.where, strict=True))


def agrees_on(wanted: object, found: object, program: Description) -> bool:
    match wanted, found:
        case Relation(name, anchor), spatial.Related(said, (thing,)):
            return name == said and agrees(anchor, thing)
        case Between(first, second), spatial.Related("between", (one, other)):
            return agrees(first, one) and agrees(second, other)
        case Position(name), spatial.Region(sides):
            return SIDES.get(name, tuple(name.split("_"))) == sides
        case Rank(axis, place, colour, size, count), spatial.Rank(counted, number, of, among):
            middle = counted == "middle" and place == 2 and count == 3
            return (
                (middle or (counted == axis and number == place))
                and (of is None or of == count)
                and same_words(among, program, colour, size)
            )
    return False


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.requires_font
def test_every_kind_is_read_as_it_is_meant(kind: str) -> None:
    chosen = [expression for expression in written() if expression.kind == kind]
    assert len(chosen) > 30
    wrong = [
        f"{expression.text} -> {spatial.say(spatial.read_places(expression.text))}"
        for expression in chosen
        if not (
            agrees(expression.program, spatial.read_places(expression.text))
            if expression.program.where
            else not spatial.read_places(expression.text).where
        )
    ]
    assert len(wrong) <= 0.01 * len(chosen), Counter(wrong).most_common(8)
