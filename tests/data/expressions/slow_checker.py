"""The meaning of programs once more, without masks, caches or tables: plain loops over three-valued logic."""

from __future__ import annotations

from reir.data.expressions import Between, Description, Position, Rank, Relation, Truth
from reir.data.expressions import margins as m
from reir.data.expressions.relations import POSITIONS, RELATIONS, Body, between
from reir.data.scenes.nouns import nouns_by_name
from reir.data.scenes.scene import Scene

CONTACT = {"on", "under", "next_to", "in_front_of", "behind"}


def bodies_of(scene: Scene) -> list[Body]:
    return [
        Body(*thing.box, depth, thing.visible, nouns_by_name()[thing.noun].surface)
        for depth, thing in enumerate(scene.objects)
    ]


def both(values: list[Truth]) -> Truth:
    if any(value == Truth.FALSE for value in values):
        return Truth.FALSE
    return Truth.TRUE if all(value == Truth.TRUE for value in values) else Truth.UNDEFINED


def either(values: list[Truth]) -> Truth:
    if any(value == Truth.TRUE for value in values):
        return Truth.TRUE
    return Truth.UNDEFINED if any(value == Truth.UNDEFINED for value in values) else Truth.FALSE


def truth(program: Description, x: int, scene: Scene) -> Truth:
    """Whether the program is true of object ``x`` of the scene."""
    thing = scene.objects[x]
    if (
        thing.noun != program.noun
        or program.colour not in (None, thing.colour)
        or program.size not in (None, thing.size)
    ):
        return Truth.FALSE
    return both([constraint_truth(constraint, program.noun, x, scene) for constraint in program.where])


def constraint_truth(constraint: object, noun: str, x: int, scene: Scene) -> Truth:
    bodies = bodies_of(scene)
    others = [y for y in range(len(bodies)) if y != x]
    if isinstance(constraint, Position):
        width, height = scene.size_units
        return POSITIONS[constraint.name](bodies[x].cx / width, bodies[x].cy / height)
    if isinstance(constraint, Rank):
        return rank_truth(constraint, noun, x, scene)
    if isinstance(constraint, Between):
        return either(
            [
                both(
                    [
                        truth(constraint.first, y, scene),
                        truth(constraint.second, z, scene),
                        between(bodies[x], bodies[y], bodies[z]),
                    ]
                )
                for y in others
                for z in others
                if y != z
            ]
        )
    assert isinstance(constraint, Relation)
    anchors = {y: truth(constraint.anchor, y, scene) for y in others}
    related = {y: RELATIONS[constraint.name](bodies[x], bodies[y], bodies) for y in others}
    exists = either([both([anchors[y], related[y]]) for y in others])
    if constraint.name in CONTACT or exists == Truth.FALSE:
        return exists
    # A direction holds from every thing that may be meant, or is undefined.
    meant = [y for y in others if anchors[y] != Truth.FALSE]
    certain = all(anchors[y] == Truth.TRUE and related[y] == Truth.TRUE for y in meant)
    return Truth.TRUE if certain else Truth.UNDEFINED


def rank_truth(rank: Rank, noun: str, x: int, scene: Scene) -> Truth:
    rivals = [
        y
        for y, thing in enumerate(scene.objects)
        if thing.noun == noun and rank.colour in (None, thing.colour) and rank.size in (None, thing.size)
    ]
    if x not in rivals or len(rivals) < 2 or rank.count not in (None, len(rivals)):
        return Truth.FALSE
    before = [lead(y, x, rank.axis, scene) for y in rivals if y != x]
    least = 1 + before.count(Truth.TRUE)
    most = least + before.count(Truth.UNDEFINED)
    if not least <= rank.place <= most:
        return Truth.FALSE
    return Truth.TRUE if least == most else Truth.UNDEFINED


def lead(y: int, x: int, axis: str, scene: Scene) -> Truth:
    """Whether ``y`` comes before ``x``."""
    bodies = bodies_of(scene)
    if axis in ("large", "small"):
        bigger, smaller = (y, x) if axis == "large" else (x, y)
        ratio = scene.objects[bigger].extent / scene.objects[smaller].extent
        if ratio >= m.RANK_RATIO:
            return Truth.TRUE
        return Truth.FALSE if ratio <= 1 / m.RANK_RATIO else Truth.UNDEFINED
    ahead = {
        "left": bodies[x].cx - bodies[y].cx,
        "right": bodies[y].cx - bodies[x].cx,
        "top": bodies[x].cy - bodies[y].cy,
        "bottom": bodies[y].cy - bodies[x].cy,
    }[axis]
    if ahead >= m.RANK_GAP:
        return Truth.TRUE
    return Truth.FALSE if ahead <= -m.RANK_GAP else Truth.UNDEFINED
