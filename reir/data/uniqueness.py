"""Which expressions fit exactly one instance of a whole gallery, and which fit several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from reir.data.expressions import KINDS, Expression, SceneFacts, denote, describe
from reir.data.scenes.scene import SIZES, Scene

CANDIDATES: Final = 36
"""Expressions that are tried a scene."""
MOST_OF_ONE: Final = 3
"""Kept expressions of one instance."""
MOST_TRUE: Final = 20
"""An ambiguous expression fits at most so many instances: one that fits hundreds asks for nothing."""


@dataclass(frozen=True, slots=True)
class Unique:
    """An expression that fits exactly one instance: object ``target`` of scene ``scene`` (indices)."""

    expression: Expression
    scene: int
    target: int


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """An expression with all the (scene, object) instances that it fits, two or more."""

    expression: Expression
    targets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What was kept of the candidates, and how many were dropped for which reason."""

    unique: tuple[Unique, ...]
    ambiguous: tuple[Ambiguous, ...]
    candidates: int
    dropped: Mapping[str, int]


def unique_expressions(scenes: Sequence[Scene], seed: int = 0) -> tuple[Unique, ...]:
    """Expressions that fit exactly one object of all the (measured) scenes, and are undefined of none."""
    return select(scenes, seed=seed).unique


def select(
    scenes: Sequence[Scene],
    *,
    seed: int,
    quota: int | None = None,
    ambiguous_quota: int = 0,
    candidates: int = CANDIDATES,
) -> Selection:
    """Candidates of every scene, sifted: at most ``quota`` unique and ``ambiguous_quota`` ambiguous ones a kind.

    An expression is dropped as *undefined* if it is borderline for any object of any scene, as *ambiguous* if it
    fits several (some of which make the second list), as *duplicate* if its meaning came before, as *over quota*
    if its kind or its instance has enough. Within a kind small, medium and large targets take turns.
    """
    gallery = _Gallery(scenes)
    dropped: Counter[str] = Counter({"undefined": 0, "ambiguous": 0, "duplicate": 0, "over quota": 0})
    meanings: set[object] = set()
    unique: dict[str, list[Unique]] = {kind: [] for kind in KINDS}
    several: dict[str, list[Ambiguous]] = {kind: [] for kind in KINDS}
    count = 0
    for index, scene in enumerate(scenes):
        for expression, target in describe(scene, Random(f"expressions {seed} {scene.seed}"), candidates):
            count += 1
            if expression.program in meanings:
                dropped["duplicate"] += 1
                continue
            meanings.add(expression.program)
            true, undefined = gallery.instances(expression)
            if undefined:
                dropped["undefined"] += 1
            elif len(true) > 1:
                dropped["ambiguous"] += 1
                if len(true) <= MOST_TRUE:
                    several[expression.kind].append(Ambiguous(expression, true))
            else:
                assert true == ((index, target),)
                unique[expression.kind].append(Unique(expression, index, target))
    rng = Random(f"selection {seed}")
    kept = _balance(unique, scenes, quota, rng)
    dropped["over quota"] = sum(map(len, unique.values())) - len(kept)
    chosen: list[Ambiguous] = []
    for kind in KINDS:
        rng.shuffle(several[kind])
        chosen += several[kind][:ambiguous_quota]
    return Selection(tuple(kept), tuple(chosen), count, dict(dropped))


def _balance(
    unique: Mapping[str, list[Unique]], scenes: Sequence[Scene], quota: int | None, rng: Random
) -> list[Unique]:
    """At most ``quota`` a kind, rare kinds first, sizes in turn, and no instance more often than ``MOST_OF_ONE``."""
    of_one: Counter[tuple[int, int]] = Counter()
    kept: list[Unique] = []
    for kind in sorted(KINDS, key=lambda kind: len(unique[kind])):
        by_size: dict[str, list[Unique]] = {size: [] for size in SIZES}
        for item in unique[kind]:
            by_size[scenes[item.scene].objects[item.target].size].append(item)
        for pool in by_size.values():
            rng.shuffle(pool)
        chosen = 0
        while any(by_size.values()) and (quota is None or chosen < quota):
            for pool in by_size.values():
                while pool and of_one[pool[-1].scene, pool[-1].target] >= MOST_OF_ONE and quota is not None:
                    pool.pop()
                if pool and (quota is None or chosen < quota):
                    item = pool.pop()
                    of_one[item.scene, item.target] += 1
                    kept.append(item)
                    chosen += 1
    kept.sort(key=lambda item: (item.scene, item.target, item.expression.text))
    return kept


class _Gallery:
    """All scenes by the nouns that they hold: a program is asked only where its nouns are."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self.facts: list[SceneFacts] = [SceneFacts(scene) for scene in scenes]
        self.holders: dict[str, set[int]] = {}
        for index, facts in enumerate(self.facts):
            for noun in facts.nouns:
                self.holders.setdefault(noun, set()).add(index)

    def instances(self, expression: Expression) -> tuple[tuple[tuple[int, int], ...], bool]:
        """The instances that the expression fits, and whether it is undefined of any other."""
        true: list[tuple[int, int]] = []
        nouns = expression.program.nouns
        for index in sorted(set.intersection(*(self.holders[noun] for noun in nouns))):
            found = denote(expression.program, self.facts[index])
            if found.undefined:
                return (), True
            true += [(index, target) for target in found.true]
        return tuple(true), False
