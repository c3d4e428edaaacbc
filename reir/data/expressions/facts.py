"""What is true in a scene: relation tables made once a scene, and the meaning of programs over them.

Sets of objects are bit masks (bit ``i`` is object ``i``), so that a program costs microseconds: the label check of
a training batch asks some ten thousand (program, scene) pairs, nearly all of which fail at their nouns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reir.data.expressions import margins as m
from reir.data.expressions.programs import Axis, Between, Constraint, Description, Position, Rank, Relation
from reir.data.expressions.relations import FALSE, POSITIONS, RELATIONS, TRUE, Body, Truth, between
from reir.data.scenes.nouns import nouns_by_name
from reir.data.scenes.scene import Scene

Masks = tuple[int, int]
"""Objects of which something is true, and those of which it is undefined."""
Table = tuple[tuple[int, ...], tuple[int, ...]]
"""Per object: to which others it is so related, and to which that is undefined."""

_EXISTENTIAL: Final = frozenset({"on", "under", "next_to", "in_front_of", "behind"})
"""Contact words: one such anchor is enough. 'Left of the dog' with dogs on both sides is undefined instead."""


@dataclass(frozen=True, slots=True)
class Denotation:
    """The objects (indices into ``Scene.objects``) of which a program is true, and undefined."""

    true: tuple[int, ...]
    undefined: tuple[int, ...]


NOTHING: Final = Denotation((), ())
_INDICES: Final = tuple(tuple(i for i in range(8) if mask >> i & 1) for mask in range(256))


def _indices(mask: int) -> tuple[int, ...]:
    return _INDICES[mask] if mask < 256 else tuple(i for i in range(mask.bit_length()) if mask >> i & 1)


class SceneFacts:
    """The relation tables of one measured scene.

    Raises ``ValueError`` for a scene that has not been measured.
    """

    __slots__ = ("_positions", "_ranks", "_tables", "attributes", "bodies", "nouns", "scene")

    def __init__(self, scene: Scene) -> None:
        nouns = nouns_by_name()
        self.scene = scene
        self.bodies: tuple[Body, ...] = tuple(
            Body(*thing.box, index, thing.visible, nouns[thing.noun].surface)
            for index, thing in enumerate(scene.objects)
        )
        if any(body.visible <= 0.0 for body in self.bodies):
            raise ValueError(f"scene {scene.seed} is not measured: pass the result of reir.data.scenes.measure")
        self.nouns = frozenset(thing.noun for thing in scene.objects)
        self.attributes: dict[str, int] = {}
        for index, thing in enumerate(scene.objects):
            for word in (thing.noun, f"{thing.colour}:colour", f"{thing.size}:size"):
                self.attributes[word] = self.attributes.get(word, 0) | 1 << index
        self._tables: dict[str, Table] = {}
        self._positions: dict[str, Masks] = {}
        self._ranks: dict[tuple[str, str | None, str | None, Axis], tuple[tuple[int, int, int], ...]] = {}

    def matching(self, noun: str, colour: str | None = None, size: str | None = None) -> int:
        """Mask of the objects with this noun, colour and size."""
        mask = self.attributes.get(noun, 0)
        if colour is not None:
            mask &= self.attributes.get(f"{colour}:colour", 0)
        if size is not None:
            mask &= self.attributes.get(f"{size}:size", 0)
        return mask

    def table(self, name: str) -> Table:
        """For each object, the masks of objects to which the relation is true, and undefined."""
        table = self._tables.get(name)
        if table is None:
            predicate = RELATIONS[name]
            true, undefined = [], []
            for a in self.bodies:
                yes = maybe = 0
                for b in self.bodies:
                    if a is not b:
                        truth = predicate(a, b, self.bodies)
                        if truth is TRUE:
                            yes |= 1 << b.depth
                        elif truth is not FALSE:
                            maybe |= 1 << b.depth
                true.append(yes)
                undefined.append(maybe)
            table = self._tables[name] = (tuple(true), tuple(undefined))
        return table

    def relation(self, name: str, subject: int, anchor: int) -> Truth:
        """Truth of a relation between two objects."""
        true, undefined = self.table(name)
        return Truth(true[subject] >> anchor & 1 or 2 * (undefined[subject] >> anchor & 1))

    def position(self, name: str) -> Masks:
        """Masks of the objects that lie, or may lie, in a part of the picture."""
        masks = self._positions.get(name)
        if masks is None:
            width, height = self.scene.size_units
            yes = maybe = 0
            for body in self.bodies:
                truth = POSITIONS[name](body.cx / width, body.cy / height)
                if truth is TRUE:
                    yes |= 1 << body.depth
                elif truth is not FALSE:
                    maybe |= 1 << body.depth
            masks = self._positions[name] = (yes, maybe)
        return masks

    def rank(self, rank: Rank, noun: str) -> Masks:
        """Masks of the objects that have, or may have, a rank among those of a noun."""
        key = (noun, rank.colour, rank.size, rank.axis)
        places = self._ranks.get(key)
        if places is None:
            members = _indices(self.matching(noun, rank.colour, rank.size))
            places = self._ranks[key] = tuple(self._places(members, rank.axis))
        if len(places) < 2 or (rank.count is not None and len(places) != rank.count):
            return 0, 0
        yes = maybe = 0
        for index, first, last in places:
            if first <= rank.place <= last:
                if first == last:
                    yes |= 1 << index
                else:
                    maybe |= 1 << index
        return yes, maybe

    def _places(self, members: tuple[int, ...], axis: Axis) -> Iterator[tuple[int, int, int]]:
        """Each member with the first and the last place that it may have."""
        for index in members:
            before = unsure = 0
            for other in members:
                if other != index:
                    lead = self._lead(other, index, axis)
                    before += lead is TRUE
                    unsure += lead is Truth.UNDEFINED
            yield index, 1 + before, 1 + before + unsure

    def _lead(self, a: int, b: int, axis: Axis) -> Truth:
        """Whether ``a`` comes before ``b`` along an axis."""
        if axis in ("large", "small"):
            ratio = self.scene.objects[a].extent / self.scene.objects[b].extent
            if axis == "small":
                ratio = 1.0 / ratio
            return TRUE if ratio >= m.RANK_RATIO else FALSE if ratio <= 1.0 / m.RANK_RATIO else Truth.UNDEFINED
        one, other = self.bodies[a], self.bodies[b]
        gap = other.cx - one.cx if axis in ("left", "right") else other.cy - one.cy
        if axis in ("right", "bottom"):
            gap = -gap
        return TRUE if gap >= m.RANK_GAP else FALSE if gap <= -m.RANK_GAP else Truth.UNDEFINED


_KEPT: Final = 4096
_recent: OrderedDict[int, SceneFacts] = OrderedDict()


def facts_of(scene: Scene) -> SceneFacts:
    """The facts of a scene, from a bounded cache: the same scene object is worked out once."""
    facts = _recent.get(id(scene))
    if facts is None or facts.scene is not scene:
        facts = _recent[id(scene)] = SceneFacts(scene)
        if len(_recent) > _KEPT:
            _recent.popitem(last=False)
    return facts


def denote(program: Description, scene: Scene | SceneFacts) -> Denotation:
    """The objects of a measured scene of which the program is true, and those of which it is undefined."""
    if isinstance(scene, Scene):
        scene = facts_of(scene)
    if not program.nouns <= scene.nouns:
        return NOTHING
    true, undefined = _evaluate(program, scene)
    return Denotation(_indices(true), _indices(undefined)) if true | undefined else NOTHING


def label_pairs(
    programs: Sequence[Description], scenes: Sequence[Scene | SceneFacts]
) -> Iterator[tuple[int, int, Denotation]]:
    """(program index, scene index, denotation) of every pair in which something is true or undefined.

    What the batch label matrix needs: pairs that are not yielded hold no match.
    """
    facts = [facts_of(scene) if isinstance(scene, Scene) else scene for scene in scenes]
    holders: dict[str, set[int]] = {}
    for index, scene_facts in enumerate(facts):
        for noun in scene_facts.nouns:
            holders.setdefault(noun, set()).add(index)
    nowhere: set[int] = set()
    for number, program in enumerate(programs):
        for index in sorted(set.intersection(*(holders.get(noun, nowhere) for noun in program.nouns))):
            denotation = denote(program, facts[index])
            if denotation is not NOTHING:
                yield number, index, denotation


def _evaluate(program: Description, facts: SceneFacts) -> Masks:
    true = facts.matching(program.noun, program.colour, program.size)
    undefined = 0
    for constraint in program.where:
        if not true | undefined:
            break
        yes, maybe = _constrain(constraint, program.noun, true | undefined, facts)
        undefined = (true | undefined) & (yes | maybe) & ~(true & yes)
        true &= yes
    return true, undefined


def _constrain(constraint: Constraint, noun: str, candidates: int, facts: SceneFacts) -> Masks:
    """Masks of the candidates that satisfy, and may satisfy, a constraint."""
    if isinstance(constraint, Relation):
        return _relate(constraint, candidates, facts)
    if isinstance(constraint, Position):
        return facts.position(constraint.name)
    if isinstance(constraint, Rank):
        return facts.rank(constraint, noun)
    return _between(constraint, candidates, facts)


def _relate(constraint: Relation, candidates: int, facts: SceneFacts) -> Masks:
    anchors, unsure = _evaluate(constraint.anchor, facts)
    if not anchors | unsure:
        return 0, 0
    true, undefined = facts.table(constraint.name)
    existential = constraint.name in _EXISTENTIAL
    yes = maybe = 0
    for index in _indices(candidates):
        bit = 1 << index
        sure, others = anchors & ~bit, unsure & ~bit
        if not (true[index] | undefined[index]) & (sure | others):
            continue
        related = true[index] & sure
        if related != 0 if existential else sure != 0 and not others and related == sure:
            yes |= bit
        else:
            maybe |= bit
    return yes, maybe


def _between(constraint: Between, candidates: int, facts: SceneFacts) -> Masks:
    first_true, first_unsure = _evaluate(constraint.first, facts)
    second_true, second_unsure = _evaluate(constraint.second, facts)
    yes = maybe = 0
    bodies = facts.bodies
    for index in _indices(candidates):
        best: Truth = FALSE
        for one in _indices((first_true | first_unsure) & ~(1 << index)):
            for other in _indices((second_true | second_unsure) & ~(1 << index | 1 << one)):
                truth = between(bodies[index], bodies[one], bodies[other])
                if truth is TRUE and first_true >> one & 1 and second_true >> other & 1:
                    best = TRUE
                elif truth is not FALSE and best is FALSE:
                    best = Truth.UNDEFINED
        if best is TRUE:
            yes |= 1 << index
        elif best is not FALSE:
            maybe |= 1 << index
    return yes, maybe
