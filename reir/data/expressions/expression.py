"""An expression: its words, its kind, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from reir.data.expressions.programs import AXES, Between, Description, Position, Rank, Relation
from reir.data.expressions.relations import POSITIONS, RELATIONS
from reir.data.expressions.sentences import write

Kind = Literal[
    "attribute",
    "direction",
    "support",
    "proximity",
    "between",
    "occlusion",
    "superlative",
    "ordinal",
    "position",
    "chain",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PHRASE: Final = "phrase"
"""The kind of a short noun phrase, which may fit several things."""

_FURTHEST_PLACE: Final = 4
PARSE_RELATIONS: Final[tuple[str, ...]] = (
    *RELATIONS,
    "between",
    *(f"position_{name}" for name in POSITIONS),
    *(f"rank_{axis}" for axis in AXES),
    *(f"rank_{axis}_{place}" for axis in ("left", "right") for place in range(2, _FURTHEST_PLACE + 1)),
)
"""Every value of ``Parse.relation``; the fourth place stands for all later ones."""


@dataclass(frozen=True, slots=True)
class Parse:
    """The main parts of an expression, for an auxiliary head: of several constraints, the first."""

    noun: str
    colour: str | None = None
    size: str | None = None
    relation: str | None = None
    anchor_noun: str | None = None
    anchor_colour: str | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """A sentence in lower case, its kind, its meaning, and the number that chose its phrasing."""

    text: str
    kind: str
    program: Description
    wording: int = 0

    @property
    def parse(self) -> Parse:
        """The main parts of the program."""
        return parse_of(self.program)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; see ``from_json``."""
        return {"text": self.text, "kind": self.kind, "program": self.program.to_json(), "wording": self.wording}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Expression:
        """The expression that ``to_json`` wrote."""
        return cls(record["text"], record["kind"], Description.from_json(record["program"]), record["wording"])


def express(program: Description, kind: str, wording: int) -> Expression:
    """The program in the words that ``wording`` chooses."""
    return Expression(write(program, wording, ordinal=kind == "ordinal"), kind, program, wording)


def parse_of(program: Description) -> Parse:
    """Noun and attributes of the thing, its first constraint, and that constraint's (first) anchor."""
    if not program.where:
        return Parse(program.noun, program.colour, program.size)
    constraint = program.where[0]
    colour = program.colour
    anchor: Description | None = None
    match constraint:
        case Relation(name, anchor):
            pass
        case Between(anchor, _):
            name = "between"
        case Position(position):
            name = f"position_{position}"
        case Rank(axis, place):
            name = f"rank_{axis}" if place == 1 else f"rank_{axis}_{min(place, _FURTHEST_PLACE)}"
            colour = colour or constraint.colour
    if anchor is None:
        return Parse(program.noun, colour, program.size, name)
    return Parse(program.noun, colour, program.size, name, anchor.noun, anchor.colour)
