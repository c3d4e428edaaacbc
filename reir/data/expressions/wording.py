"""The words of the grammar: tables of phrases, and noun phrases made of them.

Every literal that a sentence can contain stands in a table here, so that ``vocabulary`` is complete by construction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from reir.data.scenes.nouns import load_nouns, nouns_by_name
from reir.data.scenes.scene import COLOURS

SIZE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "small": ("small", "small", "little", "tiny"),
    "medium": ("medium-sized", "medium-sized", "medium", "mid-sized"),
    "large": ("large", "large", "big", "huge"),
}
"""Before a noun; a word that stands twice is used twice as often."""

SIZE_PREDICATES: Final[Mapping[str, tuple[str, ...]]] = {
    "small": ("small", "tiny"),
    "medium": ("medium-sized", "of medium size"),
    "large": ("large", "big"),
}
"""After 'that is'."""

RELATION_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "left_of": ("left of", "left of", "to the left of", "to the left of", "on the left of", "on the left side of"),
    "right_of": (
        "right of",
        "right of",
        "to the right of",
        "to the right of",
        "on the right of",
        "on the right side of",
    ),
    "above": ("above", "above", "above", "higher than", "higher up than"),
    "below": ("below", "below", "below", "lower than", "further down than"),
    "on": ("on", "on", "on top of", "sitting on", "resting on", "standing on"),
    "under": ("under", "under", "underneath", "beneath"),
    "next_to": ("next to", "next to", "near", "beside", "close to", "by", "right next to"),
    "in_front_of": ("in front of", "in front of", "partly covering", "partly hiding"),
    "behind": ("behind", "behind", "partly behind", "partly hidden by", "partly covered by"),
}

FRONTED: Final[Mapping[str, tuple[str, ...]]] = {
    "left_of": ("left of", "to the left of", "on the left of"),
    "right_of": ("right of", "to the right of", "on the right of"),
    "above": ("above",),
    "below": ("below",),
    "on": ("on", "on top of"),
    "under": ("under", "underneath", "beneath"),
    "next_to": ("next to", "near", "beside", "close to", "by"),
    "in_front_of": ("in front of",),
    "behind": ("behind",),
}
"""Phrases that can begin a sentence."""

WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "left_of": ("to its right", "on its right"),
    "right_of": ("to its left", "on its left"),
    "above": ("below it",),
    "below": ("above it",),
    "next_to": ("next to it", "beside it", "near it", "close to it"),
    "in_front_of": ("behind it",),
    "behind": ("in front of it",),
}
"""'The dog with a cup ...': the anchor's place, seen from the thing."""

BETWEEN_WORDS: Final = ("between", "between", "in between", "standing between")
LINKS: Final = ("", "", "", "", "", "", "that is", "that is", "which is", "located", "placed")
"""Between a noun and what is said of its place."""
PARTICIPLES: Final = ("located", "placed")
POSTURES: Final = ("partly", "sitting", "standing", "resting", "near", "close", "by", "higher", "lower", "further")
"""Words that do not follow a participle."""
CLAUSES: Final = ("that is", "that is", "which is")
"""Between an anchor and what is said of its place: always there, so that it is clear which noun is meant."""

PICTURE: Final = ("picture", "image", "photo")
POSITION_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "left": (
        "on the left",
        "on the left side",
        "on the left side of the {picture}",
        "in the left part of the {picture}",
    ),
    "right": (
        "on the right",
        "on the right side",
        "on the right side of the {picture}",
        "in the right part of the {picture}",
    ),
    "top": ("at the top", "at the top of the {picture}", "in the upper part of the {picture}", "near the top"),
    "bottom": (
        "at the bottom",
        "at the bottom of the {picture}",
        "in the lower part of the {picture}",
        "near the bottom",
    ),
    "centre": (
        "in the middle",
        "in the center",
        "in the middle of the {picture}",
        "in the center of the {picture}",
        "in the centre",
    ),
    "top_left": (
        "in the top left corner",
        "in the upper left corner",
        "at the top left",
        "in the top left of the {picture}",
        "in the upper left corner of the {picture}",
    ),
    "top_right": (
        "in the top right corner",
        "in the upper right corner",
        "at the top right",
        "in the top right of the {picture}",
        "in the upper right corner of the {picture}",
    ),
    "bottom_left": (
        "in the bottom left corner",
        "in the lower left corner",
        "at the bottom left",
        "in the bottom left of the {picture}",
        "in the lower left corner of the {picture}",
    ),
    "bottom_right": (
        "in the bottom right corner",
        "in the lower right corner",
        "at the bottom right",
        "in the bottom right of the {picture}",
        "in the lower right corner of the {picture}",
    ),
}
BARE_POSITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "left": ("on left", "left side"),
    "right": ("on right", "right side"),
    "top": ("at top",),
    "bottom": ("at bottom",),
    "centre": ("in center", "in middle"),
    "top_left": ("top left", "top left corner", "upper left"),
    "top_right": ("top right", "top right corner", "upper right"),
    "bottom_left": ("bottom left", "bottom left corner", "lower left"),
    "bottom_right": ("bottom right", "bottom right corner", "lower right"),
}

SUPERLATIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "left": ("leftmost",),
    "right": ("rightmost",),
    "top": ("topmost", "highest", "uppermost"),
    "bottom": ("lowest", "bottommost", "lowest"),
    "large": ("largest", "biggest"),
    "small": ("smallest",),
}
TRAILING_SUPERLATIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "left": ("furthest to the left", "that is furthest left"),
    "right": ("furthest to the right", "that is furthest right"),
    "top": ("furthest up", "that is highest up"),
    "bottom": ("furthest down", "that is lowest down"),
}
COMPARATIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "left": ("left one", "one further left"),
    "right": ("right one", "one further right"),
    "top": ("higher", "upper one"),
    "bottom": ("lower", "lower one"),
    "large": ("larger", "bigger", "larger one"),
    "small": ("smaller", "smaller one"),
}
"""Of two."""
SIDES: Final = ("left", "right", "top", "bottom")
"""What is counted from."""

ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
NUMBERS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven")

GLUE: Final = (
    "the",
    "a",
    "an",
    "another",
    "other",
    "two",
    "and",
    "with",
    "of",
    "which",
    "that",
    "is",
    "there",
    "from",
    "one",
    "middle",
    "counting",
    ",",
    "-",
)
"""Words that the templates of ``sentences`` add."""

_AN: Final = re.compile(r"(?:[aeiou]|hour)")
_A: Final = re.compile(r"(?:uni|use|one\b)")


def indefinite(phrase: str) -> str:
    """The phrase after 'a' or 'an', by the sound that it begins with."""
    vowel = _AN.match(phrase) is not None and _A.match(phrase) is None
    return f"{'an' if vowel else 'a'} {phrase}"


@cache
def names_of(noun: str) -> tuple[str, ...]:
    """The noun's name and synonyms."""
    return nouns_by_name()[noun].names


@cache
def plural_of(noun: str) -> str:
    """The plural of the noun's name."""
    return nouns_by_name()[noun].plural


def tokens(text: str) -> list[str]:
    """Words and signs of a text, as the tokenizer of small models splits it."""
    return re.findall(r"\w+|[^\w\s]+", text)


def _literals() -> Iterator[str]:
    tables: Sequence[Mapping[str, tuple[str, ...]]] = (
        SIZE_WORDS,
        SIZE_PREDICATES,
        RELATION_WORDS,
        FRONTED,
        WITH,
        POSITION_WORDS,
        BARE_POSITIONS,
        SUPERLATIVES,
        TRAILING_SUPERLATIVES,
        COMPARATIVES,
    )
    for table in tables:
        for phrases in table.values():
            yield from (phrase.replace("{picture}", "") for phrase in phrases)
    yield from (*BETWEEN_WORDS, *LINKS, *CLAUSES, *PICTURE, *SIDES, *ORDINALS, *NUMBERS[2:], *GLUE, *COLOURS)
    for noun in load_nouns():
        yield from (*noun.names, noun.plural)


def vocabulary() -> list[str]:
    """Every word (and sign) that the grammar can emit, sorted; a hyphen is a sign of its own."""
    return sorted({token for literal in _literals() for token in tokens(literal)})
