"""Programs that are true of a given thing, one proposer for each kind of expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from reir.data.expressions.expression import Kind
from reir.data.expressions.facts import SceneFacts
from reir.data.expressions.programs import AXES, Axis, Between, Constraint, Description, Position, Rank, Relation
from reir.data.expressions.relations import POSITIONS, TRUE, between
from reir.data.scenes.scene import GREY

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "direction": ("left_of", "right_of", "above", "below"),
    "support": ("on", "under"),
    "proximity": ("next_to",),
    "occlusion": ("in_front_of", "behind"),
}
"""The relations of each kind that has one anchor."""
_ALL: Final = tuple(name for names in FAMILIES.values() for name in names)

Propose = Callable[[SceneFacts, int, Random], Description | None]


def thing(facts: SceneFacts, index: int, rng: Random, colour: float, size: float, *where: Constraint) -> Description:
    """The noun of an object, with its colour and its size at the given probabilities."""
    seen = facts.scene.objects[index]
    return Description(
        seen.noun,
        seen.colour if rng.random() < colour and seen.colour != GREY else None,
        seen.size if rng.random() < size else None,
        where,
    )


def subject(facts: SceneFacts, index: int, rng: Random, *where: Constraint) -> Description:
    """The thing that is asked for."""
    return thing(facts, index, rng, 0.6, 0.14, *where)


def anchor(facts: SceneFacts, index: int, target: int, rng: Random, *where: Constraint) -> Description:
    """The thing that another is placed by: with its colour where its noun alone would fit a third thing too."""
    rivals = facts.matching(facts.scene.objects[index].noun) & ~(1 << index | 1 << target)
    return thing(facts, index, rng, 0.85 if rivals else 0.55, 0.1, *where)


def _attribute(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    return thing(facts, target, rng, 1.0, 1.0) if rng.random() < 0.68 else thing(facts, target, rng, 1.0, 0.0)


def related(facts: SceneFacts, target: int, names: tuple[str, ...], rng: Random) -> list[tuple[str, int]]:
    """(relation, anchor) pairs that are true of the target, in random order, no relation before its turn."""
    by_name = []
    for name in names:
        mask = facts.table(name)[0][target]
        if mask:
            others = [index for index in range(len(facts.bodies)) if mask >> index & 1]
            rng.shuffle(others)
            by_name.append((name, others))
    rng.shuffle(by_name)
    longest = max((len(others) for _, others in by_name), default=0)
    return [(name, others[turn]) for turn in range(longest) for name, others in by_name if turn < len(others)]


def _family(kind: str) -> Propose:
    names = FAMILIES[kind]

    def propose(facts: SceneFacts, target: int, rng: Random) -> Description | None:
        pairs = related(facts, target, names, rng)
        if not pairs:
            return None
        name, index = pairs[0]
        return subject(facts, target, rng, Relation(name, anchor(facts, index, target, rng)))

    return propose


def _between_pair(facts: SceneFacts, target: int, rng: Random) -> Between | None:
    bodies = facts.bodies
    others = [index for index in range(len(bodies)) if index != target]
    pairs = [
        (one, other)
        for one in others
        for other in others
        if one < other and between(bodies[target], bodies[one], bodies[other]) is TRUE
    ]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    if rng.random() < 0.5:
        one, other = other, one
    if facts.scene.objects[one].noun == facts.scene.objects[other].noun:
        same = facts.scene.objects[one].colour == facts.scene.objects[other].colour
        pair = thing(facts, one, rng, 0.6 if same else 0.0, 0.0)
        if same or rng.random() < 0.5:
            return Between(pair, pair)
        return Between(thing(facts, one, rng, 1.0, 0.0), thing(facts, other, rng, 1.0, 0.0))
    return Between(anchor(facts, one, target, rng), anchor(facts, other, target, rng))


def _between(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    pair = _between_pair(facts, target, rng)
    return None if pair is None else subject(facts, target, rng, pair)


def _superlative(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    return _ranked(facts, target, rng, [(axis, 1) for axis in AXES])


def _ordinal(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    return _ranked(facts, target, rng, [(axis, place) for axis in AXES[:2] for place in range(1, 8)])


def _ranked(facts: SceneFacts, target: int, rng: Random, places: list[tuple[Axis, int]]) -> Description | None:
    seen = facts.scene.objects[target]
    colour = seen.colour if rng.random() < 0.3 and seen.colour != GREY else None
    size = seen.size if colour is None and rng.random() < 0.12 else None
    if facts.matching(seen.noun, colour, size).bit_count() < 2:
        colour = size = None
    count = facts.matching(seen.noun, colour, size).bit_count()
    if count < 2:
        return None
    fitting = []
    for axis, place in places:
        if place <= count and not (size and axis in ("large", "small")):
            rank = Rank(axis, place, colour, size, count if rng.random() < 0.3 else None)
            yes, maybe = facts.rank(rank, seen.noun)
            if yes >> target & 1 and not maybe:
                fitting.append(rank)
    if not fitting:
        return None
    # Inner places of a row are rarer than its ends, and say more.
    rank = rng.choices(fitting, [3.0 if rank.place > 1 else 1.0 for rank in fitting])[0]
    own = 0.0 if colour else 0.7
    where: list[Constraint] = [rank]
    if rng.random() < 0.25:
        pairs = related(facts, target, _ALL, rng)
        if pairs:
            name, index = pairs[0]
            where.append(Relation(name, anchor(facts, index, target, rng)))
    return thing(facts, target, rng, own, 0.0 if size or rank.axis in ("large", "small") else 0.12, *where)


def _position(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    names = [name for name in POSITIONS if facts.position(name)[0] >> target & 1]
    if not names:
        return None
    # Corners and the centre say more than a side.
    name = rng.choices(names, [1.0 if name in ("left", "right", "top", "bottom") else 3.0 for name in names])[0]
    return thing(facts, target, rng, 0.85, 0.2, Position(name))


def _chain(facts: SceneFacts, target: int, rng: Random) -> Description | None:
    pairs = related(facts, target, _ALL, rng)
    if not pairs:
        return None
    name, index = pairs[0]
    if rng.random() < 0.55:
        # A second thing of the target's own noun behind the anchor would read as the target itself.
        own = facts.matching(facts.scene.objects[target].noun)
        beyond = [(other, far) for other, far in related(facts, index, _ALL, rng) if not own >> far & 1]
        if not beyond:
            return None
        second, far = beyond[0]
        inner = Relation(second, anchor(facts, far, index, rng))
        return subject(facts, target, rng, Relation(name, anchor(facts, index, target, rng, inner)))
    others = [(other, far) for other, far in pairs[1:] if far != index]
    if not others:
        return None
    second, far = others[0]
    first = Relation(name, anchor(facts, index, target, rng))
    return subject(facts, target, rng, first, Relation(second, anchor(facts, far, target, rng)))


PROPOSERS: Final[Mapping[Kind, Propose]] = {
    "attribute": _attribute,
    "direction": _family("direction"),
    "support": _family("support"),
    "proximity": _family("proximity"),
    "between": _between,
    "occlusion": _family("occlusion"),
    "superlative": _superlative,
    "ordinal": _ordinal,
    "position": _position,
    "chain": _chain,
}
