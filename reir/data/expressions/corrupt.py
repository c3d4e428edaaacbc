"""Hard negatives: a sentence with one word's meaning swapped, true of nothing in its scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from reir.data.expressions.dice import Dice, as_random
from reir.data.expressions.expression import Expression, express
from reir.data.expressions.facts import denote, facts_of
from reir.data.expressions.programs import Axis, Between, Constraint, Description, Position, Rank, Relation
from reir.data.scenes.nouns import load_nouns
from reir.data.scenes.scene import COLOURS, SIZES, Scene

OPPOSITES: Final = {
    "left_of": "right_of",
    "right_of": "left_of",
    "above": "below",
    "below": "above",
    "on": "under",
    "under": "on",
    "in_front_of": "behind",
    "behind": "in_front_of",
}
_AXES: Final[dict[Axis, Axis]] = {
    "left": "right",
    "right": "left",
    "top": "bottom",
    "bottom": "top",
    "large": "small",
    "small": "large",
}
_POSITIONS: Final = {
    "left": ("right",),
    "right": ("left",),
    "top": ("bottom",),
    "bottom": ("top",),
    "centre": ("left", "right", "top", "bottom"),
    "top_left": ("top_right", "bottom_left"),
    "top_right": ("top_left", "bottom_right"),
    "bottom_left": ("bottom_right", "top_left"),
    "bottom_right": ("bottom_left", "top_right"),
}

_TRIES: Final = 6

Swap = Callable[[Description], Description]


def corrupt(expression: Expression, scene: Scene, rng: Dice) -> Expression | None:
    """The expression with one element swapped (relation, anchor, noun, colour, size, place), true of nothing here.

    Nothing in the scene is undefined for it either. Otherwise the phrasing stays. None if no swap was found that
    leaves the scene without an answer.
    """
    facts = facts_of(scene)
    rng = as_random(rng)
    swaps = _swaps(expression.program, scene, rng)
    rng.shuffle(swaps)
    for swap in swaps[:_TRIES]:
        program = swap(expression.program)
        if program == expression.program:
            continue
        found = denote(program, facts)
        if not found.true and not found.undefined:
            return express(program, expression.kind, expression.wording)
    return None


def _swaps(program: Description, scene: Scene, rng: Random) -> list[Swap]:
    swaps = _attribute_swaps(program, scene, rng)
    for place, constraint in enumerate(program.where):
        for changed in _constraint_swaps(constraint, scene, rng):
            where = (*program.where[:place], changed, *program.where[place + 1 :])
            swaps.append(lambda thing, where=where: replace(thing, where=where))  # type: ignore[misc]
    return swaps


def _attribute_swaps(thing: Description, scene: Scene, rng: Random) -> list[Swap]:
    noun = _other(thing.noun, [seen.noun for seen in scene.objects], _names(), rng)
    swaps: list[Swap] = [lambda thing: replace(thing, noun=noun)]
    if thing.colour is not None:
        colour = _other(thing.colour, [seen.colour for seen in scene.objects], COLOURS, rng)
        swaps.append(lambda thing: replace(thing, colour=colour))
    if thing.size is not None:
        size = rng.choice([size for size in SIZES if size != thing.size])
        swaps.append(lambda thing: replace(thing, size=size))
    return swaps


def _constraint_swaps(constraint: Constraint, scene: Scene, rng: Random) -> list[Constraint]:
    match constraint:
        case Relation(name, anchor):
            changed = [Relation(name, swap(anchor)) for swap in _swaps(anchor, scene, rng)]
            # The relation is what a model forgets first: it stands for as many swaps as the anchor has.
            return [*changed, *[Relation(OPPOSITES[name], anchor)] * 2] if name in OPPOSITES else [*changed]
        case Between(first, second):
            return [
                *[Between(swap(first), second) for swap in _swaps(first, scene, rng)],
                *[Between(first, swap(second)) for swap in _swaps(second, scene, rng)],
            ]
        case Position(name):
            return [Position(rng.choice(_POSITIONS[name]))] * 2
        case Rank(axis, place, colour, _, count):
            swapped: list[Constraint] = [replace(constraint, axis=_AXES[axis])] * 2
            if place > 1 or axis in ("left", "right"):
                swapped.append(replace(constraint, place=place - 1 if place > 1 else 2))
            if count is not None:
                swapped.append(replace(constraint, count=max(2, place, count + rng.choice((-1, 1)))))
            if colour is not None:
                swapped.append(replace(constraint, colour=_other(colour, (), COLOURS, rng)))
            return swapped


def _names() -> Sequence[str]:
    return [noun.name for noun in load_nouns()]


def _other(value: str, near: Sequence[str], all_values: Sequence[str], rng: Random) -> str:
    """Another value, in two of three cases one that the scene holds."""
    held = [other for other in near if other != value and other in all_values]
    if held and rng.random() < 0.67:
        return rng.choice(held)
    return rng.choice([other for other in all_values if other != value])
