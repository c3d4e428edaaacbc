from __future__ import annotations

import json
from collections import Counter
from functools import cache
from random import Random

import numpy as np
import pytest

from reir.data.expressions import (
    KINDS,
    PARSE_RELATIONS,
    RELATIONS,
    Expression,
    Truth,
    corrupt,
    denote,
    describe,
    express,
    facts_of,
    label_pairs,
    mirror_expression,
    phrases,
    relation_triples,
)
from reir.data.layout import make_scene
from reir.data.scenes.scene import Scene
from reir.data.scenes.truth import mirror
from tests.data.expressions.slow_checker import bodies_of, truth

SCENES = 300


@cache
def scenes() -> tuple[Scene, ...]:
    return tuple(make_scene(90_000_000 + i) for i in range(SCENES))


@cache
def described() -> tuple[tuple[Scene, Expression, int], ...]:
    return tuple((scene, *found) for scene in scenes() for found in describe(scene, Random(scene.seed), 10))


def slow_denotation(expression: Expression, scene: Scene) -> tuple[tuple[int, ...], tuple[int, ...]]:
    values = [truth(expression.program, x, scene) for x in range(len(scene.objects))]
    return (
        tuple(x for x, value in enumerate(values) if value == Truth.TRUE),
        tuple(x for x, value in enumerate(values) if value == Truth.UNDEFINED),
    )


def test_every_description_fits_its_target_alone_by_the_slow_checker() -> None:
    assert len(described()) > 8 * SCENES
    for scene, expression, target in described():
        assert slow_denotation(expression, scene) == ((target,), ()), expression.text


def test_denotations_in_other_scenes_equal_the_slow_checkers() -> None:
    rng = Random(0)
    told = 0
    for _, expression, _ in rng.sample(described(), 600):
        holders = [scene for scene in scenes() if expression.program.nouns <= {o.noun for o in scene.objects}]
        for scene in rng.sample(holders, min(6, len(holders))):
            found = denote(expression.program, scene)
            assert (found.true, found.undefined) == slow_denotation(expression, scene), expression.text
            told += 1
    assert told > 1000


def test_corrupted_expressions_fit_nothing() -> None:
    made, same_phrase = 0, 0
    for scene, expression, _ in described()[::2]:
        wrong = corrupt(expression, scene, Random(made))
        if wrong is None:
            continue
        made += 1
        assert slow_denotation(wrong, scene) == ((), ()), (expression.text, wrong.text)
        assert wrong.kind == expression.kind
        assert wrong.text != expression.text
        same_phrase += len(set(wrong.text.split()) ^ set(expression.text.split())) <= 6
    assert made > 0.95 * len(described()[::2])
    assert same_phrase > 0.9 * made


def test_phrases_fit_something() -> None:
    several = 0
    for scene in scenes():
        found = [denote(phrase.program, scene) for phrase in phrases(scene, Random(scene.seed), 6)]
        assert all(denotation.true and not denotation.undefined for denotation in found)
        several += sum(len(denotation.true) > 1 for denotation in found)
    assert several > SCENES / 10


def test_every_kind_is_described_and_no_text_comes_twice() -> None:
    counts = Counter(expression.kind for _, expression, _ in described())
    assert set(counts) == set(KINDS)
    assert min(counts.values()) > SCENES / 10
    for scene in scenes()[:50]:
        texts = [expression.text for expression, _ in describe(scene, Random(1), 40)]
        assert len(texts) == len(set(texts))


def test_only_the_kinds_asked_for() -> None:
    for scene in scenes()[:40]:
        kinds = {expression.kind for expression, _ in describe(scene, Random(2), 10, kinds=("direction", "position"))}
        assert kinds <= {"direction", "position"}


def test_the_same_dice_say_the_same() -> None:
    scene = scenes()[0]
    assert describe(scene, Random(5), 8) == describe(scene, Random(5), 8)
    assert describe(scene, np.random.default_rng(5), 8) == describe(scene, np.random.default_rng(5), 8)
    assert phrases(scene, Random(5), 8) == phrases(scene, Random(5), 8)


def test_json_round_trip() -> None:
    for _, expression, _ in described()[::3]:
        assert Expression.from_json(json.loads(json.dumps(expression.to_json()))) == expression
        assert express(expression.program, expression.kind, expression.wording) == expression


def test_the_mirrored_expression_fits_the_same_object_of_the_mirrored_scene() -> None:
    swap = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
    changed = 0
    for scene, expression, target in described()[::2]:
        turned = mirror_expression(expression)
        found = denote(turned.program, mirror(scene))
        assert (found.true, found.undefined) == ((target,), ()), expression.text
        words = expression.text.replace("right next", "right_next").replace(",", " ,").split()
        swapped = " ".join(swap.get(word, word) for word in words)
        assert swapped.replace(" ,", ",").replace("right_next", "right next") == turned.text
        changed += turned != expression
    assert changed > 100


def test_relation_triples_are_the_true_pairs() -> None:
    for scene in scenes()[:100]:
        bodies = bodies_of(scene)
        expected = {
            (x, name, y)
            for name, predicate in RELATIONS.items()
            for x in range(len(bodies))
            for y in range(len(bodies))
            if x != y and predicate(bodies[x], bodies[y], bodies) == Truth.TRUE
        }
        triples = relation_triples(scene)
        assert len(triples) == len(set(triples))
        assert set(triples) == expected
        facts = facts_of(scene)
        assert all(facts.relation(name, x, y) == Truth.TRUE for x, name, y in triples)


def test_every_relation_occurs_often() -> None:
    counts = Counter(name for scene in scenes() for _, name, _ in relation_triples(scene))
    assert set(counts) == set(RELATIONS)
    assert min(counts.values()) > SCENES / 10


def test_label_pairs_are_all_matches_of_a_batch() -> None:
    batch = scenes()[:40]
    programs = [expression.program for scene in batch for expression, _ in describe(scene, Random(3), 4)]
    told = {(p, s): found for p, s, found in label_pairs(programs, batch)}
    for p, program in enumerate(programs):
        for s, scene in enumerate(batch):
            found = denote(program, scene)
            if found.true or found.undefined:
                assert told.pop((p, s)) == found
    assert not told


def test_parses_name_the_parts() -> None:
    for _, expression, _ in described()[::5]:
        parse = expression.parse
        assert parse.noun == expression.program.noun
        assert (parse.relation is None) == (not expression.program.where)
        assert parse.relation is None or parse.relation in PARSE_RELATIONS
        assert (parse.anchor_noun is not None) == (parse.relation in RELATIONS or parse.relation == "between")


@pytest.mark.parametrize("kind", ["direction", "support", "occlusion"])
def test_plain_geometry_agrees(kind: str) -> None:
    """A necessary condition of each relation, from the centres alone, for the description's own anchor noun."""
    checked = 0
    for scene, expression, target in described():
        parse = expression.parse
        if expression.kind != kind:
            continue
        x0, y0, x1, y1 = scene.objects[target].box
        centre = ((x0 + x1) / 2, (y0 + y1) / 2)
        fitting = []
        for depth, other in enumerate(scene.objects):
            if other.noun == parse.anchor_noun and depth != target:
                a0, b0, a1, b1 = other.box
                dx, dy = (a0 + a1) / 2 - centre[0], (b0 + b1) / 2 - centre[1]
                fitting.append(
                    {
                        "left_of": dx > 0.05,
                        "right_of": dx < -0.05,
                        "above": dy > 0.05,
                        "below": dy < -0.05,
                        "on": dy > 0 and a0 < centre[0] < a1,
                        "under": dy < 0 and a0 < x1 and x0 < a1,
                        "in_front_of": target > depth and x0 < a1 and a0 < x1,
                        "behind": target < depth and x0 < a1 and a0 < x1,
                    }[parse.relation or ""]
                )
        assert any(fitting), expression.text
        checked += 1
    assert checked > 20
