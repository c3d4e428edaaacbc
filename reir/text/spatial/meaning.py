"""What an expression says of places: a frozen tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Side = Literal["left", "right", "top", "bottom", "middle", "front", "back"]
"""Where in the picture; ``front`` is near to the camera, ``back`` far from it."""

Axis = Literal[
    "left", "right", "top", "bottom", "front", "back", "large", "small", "tall", "short", "wide", "narrow", "middle"
]
"""Where counting begins; ``middle`` counts from the middle of the row or column in which the things stand."""

RelationName = Literal[
    "left_of",
    "right_of",
    "above",
    "below",
    "on",
    "under",
    "next_to",
    "in_front_of",
    "behind",
    "inside",
    "nearest",
    "furthest",
    "between",
]
RELATION_NAMES: tuple[RelationName, ...] = get_args(RelationName)


@dataclass(frozen=True, slots=True)
class Region:
    """Lies in a part of the picture: one side, or two for a corner (("top", "left")).

    ``choosing`` where the word tells things apart rather than parts of the picture ("left cat", "man right"): then the
    one that lies furthest there is meant. ``extreme`` for "far left" and "at the very top".
    """

    sides: tuple[Side, ...]
    choosing: bool = False
    extreme: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.sides) <= 2 or not set(self.sides) <= set(get_args(Side)):
            raise ValueError(f"one or two of {get_args(Side)}, got {self.sides}")


@dataclass(frozen=True, slots=True)
class Clock:
    """Lies in the direction of an hour, seen from the middle of the picture."""

    hour: int

    def __post_init__(self) -> None:
        if not 1 <= self.hour <= 12:
            raise ValueError(f"an hour is 1 to 12, got {self.hour}")


@dataclass(frozen=True, slots=True)
class Rank:
    """Is the ``place``-th, counted from ``axis``, of the things that ``among`` describes (empty: of all things).

    ``count`` is how many of them there are, where the expression says so. Of ``middle`` the place is 1.
    """

    axis: Axis
    place: int = 1
    count: int | None = None
    among: str = ""

    def __post_init__(self) -> None:
        if self.axis not in get_args(Axis):
            raise ValueError(f"an axis is one of {get_args(Axis)}, got {self.axis!r}")
        if self.place < 1 or (self.count is not None and self.place > self.count):
            raise ValueError(f"no place {self.place} among {self.count}")


@dataclass(frozen=True, slots=True)
class Related:
    """Stands in a relation to what the anchors describe: two of them for "between", else one."""

    name: RelationName
    anchors: tuple[Described, ...]

    def __post_init__(self) -> None:
        if self.name not in RELATION_NAMES:
            raise ValueError(f"a relation is one of {RELATION_NAMES}, got {self.name!r}")
        if len(self.anchors) != (2 if self.name == "between" else 1):
            raise ValueError(f"{self.name} of {len(self.anchors)} things")


Constraint: TypeAlias = Region | Clock | Rank | Related


@dataclass(frozen=True, slots=True)
class Described:
    """A thing: its ``phrase`` without words of place ("red cup"; empty where no thing is named), and its place."""

    phrase: str
    where: tuple[Constraint, ...] = ()

    def phrases(self) -> Iterator[str]:
        """Every phrase in the tree that names a thing."""
        if self.phrase:
            yield self.phrase
        for constraint in self.where:
            if isinstance(constraint, Rank) and constraint.among:
                yield constraint.among
            elif isinstance(constraint, Related):
                for anchor in constraint.anchors:
                    yield from anchor.phrases()
