from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest

from reir.data.expressions import Description, Expression, describe, express, phrases, vocabulary
from reir.data.expressions.describe import MAX_TOKENS
from reir.data.expressions.programs import Position, Rank, Relation
from reir.data.expressions.wording import indefinite, tokens
from reir.data.layout import make_scene
from reir.data.scenes.nouns import load_nouns
from reir.data.scenes.scene import COLOURS


@pytest.fixture(scope="module")
def expressions() -> list[Expression]:
    made: list[Expression] = []
    for seed in range(91_000_000, 91_000_600):
        scene = make_scene(seed)
        made += [expression for expression, _ in describe(scene, Random(seed), 20)]
        made += phrases(scene, Random(seed), 4)
    return made


def test_texts_are_clean(expressions: list[Expression]) -> None:
    for expression in expressions:
        text = expression.text
        assert re.fullmatch(r"[a-z-]+(?:,? [a-z-]+)*", text), text
        assert len(tokens(text)) <= MAX_TOKENS
        assert not re.search(r"\b(\w+) \1\b", text), text


def test_articles_fit_what_follows(expressions: list[Expression]) -> None:
    seen = 0
    for expression in expressions:
        for article, word in re.findall(r"\b(an?) ([a-z]+)", expression.text):
            vowel = word[0] in "aeiou" or word == "hourglass"
            assert (article == "an") == vowel, expression.text
            seen += 1
    assert seen > 500


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [("apple", "an apple"), ("hourglass", "an hourglass"), ("unicorn", "a unicorn"), ("umbrella", "an umbrella")],
)
def test_indefinite(phrase: str, expected: str) -> None:
    assert indefinite(phrase) == expected


def test_numbers_go_with_plurals(expressions: list[Expression]) -> None:
    singular = {noun.name for noun in load_nouns() if noun.plural != noun.name}
    seen = 0
    for expression in expressions:
        match = re.search(r"\b(?:two|three|four) (.*?)(?:,|$| that| which| is | there)", expression.text)
        if match:
            assert match.group(1) not in singular, expression.text
            seen += 1
    assert seen > 100


def test_one_text_means_one_thing(expressions: list[Expression]) -> None:
    meaning: dict[str, Description] = {}
    for expression in expressions:
        assert meaning.setdefault(expression.text, expression.program) == expression.program, expression.text


def test_no_two_nouns_share_a_name() -> None:
    names = Counter(name for noun in load_nouns() for name in noun.names)
    assert max(names.values()) == 1
    assert not set(names) & set(COLOURS)


def test_the_vocabulary_is_complete_and_not_much_more(expressions: list[Expression]) -> None:
    words = vocabulary()
    used = {token for expression in expressions for token in tokens(expression.text)}
    assert words == sorted(set(words))
    assert used <= set(words)
    assert len(used) > 0.9 * len(words)


def texts_of(program: Description, kind: str) -> set[str]:
    return {express(program, kind, wording).text for wording in range(400)}


def test_one_meaning_has_many_phrasings() -> None:
    program = Description("dog", "red", None, (Relation("left_of", Description("couch")),))
    texts = texts_of(program, "direction")
    assert len(texts) > 60
    assert {"red dog left of couch", "the red dog to the left of the couch"} <= texts
    assert any(text.startswith("to the left of") for text in texts)
    assert any(text.endswith("couch to its right") for text in texts)
    assert any("sofa" in text for text in texts)


def test_a_second_thing_of_the_same_look_is_another_one() -> None:
    same = Description("dog", None, None, (Relation("next_to", Description("dog")),))
    assert all(re.search(r"\b(another|other)\b", text) for text in texts_of(same, "proximity"))
    different = Description("dog", "red", None, (Relation("next_to", Description("dog", "blue")),))
    assert not any(re.search(r"\b(another|other)\b", text) for text in texts_of(different, "proximity"))


def test_superlatives_ordinals_and_positions_read_naturally() -> None:
    assert {"the leftmost dog", "leftmost dog", "the leftmost of the dogs"} <= texts_of(
        Description("dog", None, None, (Rank("left"),)), "superlative"
    )
    assert {"the larger of the two dogs"} <= texts_of(
        Description("dog", None, None, (Rank("large", count=2),)), "superlative"
    )
    assert {"the second dog from the left", "second dog from left"} <= texts_of(
        Description("dog", None, None, (Rank("left", 2),)), "ordinal"
    )
    assert {"the middle one of the three dogs"} <= texts_of(
        Description("dog", None, None, (Rank("left", 2, count=3),)), "ordinal"
    )
    assert {"the first dog from the left"} <= texts_of(Description("dog", None, None, (Rank("left"),)), "ordinal")
    assert {"red dog top left", "the red dog in the top left corner"} <= texts_of(
        Description("dog", "red", None, (Position("top_left"),)), "position"
    )
