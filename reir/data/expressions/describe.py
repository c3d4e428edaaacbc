"""Scenes to expressions: descriptions of one thing, short phrases, and the relations of a scene graph."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from reir.data.expressions.dice import Dice, as_random
from reir.data.expressions.expression import KINDS, PHRASE, Expression, Kind, express
from reir.data.expressions.facts import SceneFacts, denote, facts_of
from reir.data.expressions.proposals import PROPOSERS, thing
from reir.data.expressions.relations import RELATIONS
from reir.data.expressions.wording import tokens
from reir.data.scenes.scene import Scene

MAX_TOKENS: Final = 30
"""Longer sentences are not written."""

_TRIES: Final = 3


def describe(scene: Scene, rng: Dice, count: int, kinds: Sequence[Kind] | None = None) -> list[tuple[Expression, int]]:
    """Up to ``count`` true expressions, each with the index of the one object of the scene that it fits.

    None of them is undefined of any other object of this scene; no text comes twice. They are spread over the
    kinds that the scene has and over its objects. ``scene`` is measured.
    """
    rng = as_random(rng)
    facts = facts_of(scene)
    made: list[tuple[Expression, int]] = []
    texts: set[str] = set()
    turns = [(kind, target) for kind in (kinds or KINDS) for target in range(len(scene.objects))]
    used = dict.fromkeys(range(len(scene.objects)), 0)
    told = dict.fromkeys(kinds or KINDS, 0)
    while turns and len(made) < count:
        rng.shuffle(turns)
        # The kind and the object that came least so far go first; the shuffle decides among equals.
        turns.sort(key=lambda turn: (told[turn[0]], used[turn[1]]))
        fruitful = []
        for position, (kind, target) in enumerate(turns):
            expression = _one(kind, target, facts, rng)
            if expression is None or expression.text in texts:
                continue
            fruitful = [(kind, target), *turns[position + 1 :]]
            texts.add(expression.text)
            made.append((expression, target))
            used[target] += 1
            told[kind] += 1
            break
        turns = fruitful
    return made


def _one(kind: Kind, target: int, facts: SceneFacts, rng: Random) -> Expression | None:
    for _ in range(_TRIES):
        program = PROPOSERS[kind](facts, target, rng)
        if program is None:
            return None
        found = denote(program, facts)
        if found.true == (target,) and not found.undefined:
            expression = express(program, kind, rng.getrandbits(32))
            if len(tokens(expression.text)) <= MAX_TOKENS:
                return expression
    return None


def phrases(scene: Scene, rng: Dice, count: int) -> list[Expression]:
    """``count`` short noun phrases, each true of at least one object of the scene, perhaps of several."""
    rng = as_random(rng)
    facts = facts_of(scene)
    made = []
    for _ in range(count):
        target = rng.randrange(len(scene.objects))
        made.append(express(thing(facts, target, rng, 0.62, 0.22), PHRASE, rng.getrandbits(32)))
    return made


def relation_triples(scene: Scene) -> list[tuple[int, str, int]]:
    """(subject, relation, anchor) of every relation that is true in a measured scene; objects by index."""
    facts = facts_of(scene)
    return [
        (subject, name, anchor)
        for name in RELATIONS
        for subject, mask in enumerate(facts.table(name)[0])
        for anchor in range(len(facts.bodies))
        if mask >> anchor & 1
    ]
