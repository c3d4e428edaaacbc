"""What an expression means: a small frozen tree that travels as JSON.

A ``Description`` is a noun with attributes and constraints; a constraint may hold descriptions of its own (the
anchors), so that chains of relations are nested descriptions. ``facts.denote`` evaluates it over a scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from reir.data.expressions.relations import POSITIONS, RELATIONS
from reir.data.scenes.scene import COLOURS, SIZES

Axis = Literal["left", "right", "top", "bottom", "large", "small"]
AXES: Final[tuple[Axis, ...]] = get_args(Axis)


@dataclass(frozen=True, slots=True)
class Relation:
    """Stands in the relation ``name`` to the thing that ``anchor`` describes."""

    name: str
    anchor: Description

    def __post_init__(self) -> None:
        if self.name not in RELATIONS:
            raise ValueError(f"a relation is one of {sorted(RELATIONS)}, got {self.name!r}")


@dataclass(frozen=True, slots=True)
class Between:
    """Lies between the things that ``first`` and ``second`` describe (two different ones)."""

    first: Description
    second: Description


@dataclass(frozen=True, slots=True)
class Position:
    """Lies in a certain part of the picture."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in POSITIONS:
            raise ValueError(f"a position is one of {sorted(POSITIONS)}, got {self.name!r}")


@dataclass(frozen=True, slots=True)
class Rank:
    """Is the ``place``-th, counted from ``axis``, of the picture's things with the same noun (and colour, and size).

    It presupposes at least two of them, and exactly ``count`` where that is given: in a picture with a single dog
    none is the leftmost dog.
    """

    axis: Axis
    place: int = 1
    colour: str | None = None
    size: str | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.axis not in AXES:
            raise ValueError(f"an axis is one of {AXES}, got {self.axis!r}")
        if self.place < 1 or (self.count is not None and self.count < max(2, self.place)):
            raise ValueError(f"no place {self.place} among {self.count}")


Constraint = Relation | Between | Position | Rank


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that is a ``noun``, has the given colour and size, and satisfies each constraint.

    ``nouns`` are those that a scene must hold for it to be true or undefined of anything there.
    """

    noun: str
    colour: str | None = None
    size: str | None = None
    where: tuple[Constraint, ...] = ()
    nouns: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.colour is not None and self.colour not in COLOURS:
            raise ValueError(f"a colour is one of {COLOURS}, got {self.colour!r}")
        if self.size is not None and self.size not in SIZES:
            raise ValueError(f"a size is one of {SIZES}, got {self.size!r}")
        nouns = {self.noun}
        for constraint in self.where:
            for anchor in anchors(constraint):
                nouns |= anchor.nouns
        object.__setattr__(self, "nouns", frozenset(nouns))

    def to_json(self) -> dict[str, Any]:
        """The tree as plain JSON values; absent attributes are left out."""
        record: dict[str, Any] = {"noun": self.noun}
        if self.colour is not None:
            record["colour"] = self.colour
        if self.size is not None:
            record["size"] = self.size
        if self.where:
            record["where"] = [_constraint_to_json(constraint) for constraint in self.where]
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Description:
        """The tree that ``to_json`` wrote."""
        where = tuple(_constraint_from_json(item) for item in record.get("where", ()))
        return cls(record["noun"], record.get("colour"), record.get("size"), where)


def anchors(constraint: Constraint) -> tuple[Description, ...]:
    """The descriptions inside a constraint."""
    if isinstance(constraint, Relation):
        return (constraint.anchor,)
    if isinstance(constraint, Between):
        return (constraint.first, constraint.second)
    return ()


def _constraint_to_json(constraint: Constraint) -> dict[str, Any]:
    match constraint:
        case Relation(name, anchor):
            return {"relation": name, "anchor": anchor.to_json()}
        case Between(first, second):
            return {"relation": "between", "anchors": [first.to_json(), second.to_json()]}
        case Position(name):
            return {"position": name}
        case Rank(axis, place, colour, size, count):
            optional = {"colour": colour, "size": size, "count": count}
            return {
                "rank": axis,
                "place": place,
                **{key: value for key, value in optional.items() if value is not None},
            }


def _constraint_from_json(record: Mapping[str, Any]) -> Constraint:
    if "position" in record:
        return Position(record["position"])
    if "rank" in record:
        return Rank(record["rank"], record["place"], record.get("colour"), record.get("size"), record.get("count"))
    if record["relation"] == "between":
        first, second = (Description.from_json(item) for item in record["anchors"])
        return Between(first, second)
    return Relation(record["relation"], Description.from_json(record["anchor"]))
