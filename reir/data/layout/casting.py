"""Which things appear in a scene, and in which arrangements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from reir.data.layout.clusters import (
    Arrange,
    Piece,
    alone,
    carried,
    make_piece,
    overlapping,
    side_by_side,
    spread_row,
    stacked,
)
from reir.data.layout.styles import USUAL, Style
from reir.data.scenes.nouns import load_nouns, nouns_by_name
from reir.data.scenes.scene import COLOURS, GREY, Size

COUNTS: Final[tuple[tuple[int, float], ...]] = ((2, 0.07), (3, 0.16), (4, 0.24), (5, 0.23), (6, 0.17), (7, 0.13))
"""Things in a scene, and how often."""

ARRANGEMENTS: Final[tuple[tuple[str, int, float], ...]] = (
    ("alone", 1, 0.34),
    ("carried", 2, 0.15),
    ("stacked", 2, 0.11),
    ("beside", 2, 0.15),
    ("overlapping", 2, 0.19),
    ("row", 3, 0.06),
    ("row of one kind", 3, 0.06),
)
"""Name, how many things it takes, how often it is tried."""

REPEATS: Final = 0.46
"""Share of scenes in which a noun is repeated on purpose (rows of one kind add to it)."""

_ARRANGE: Final[dict[str, Arrange]] = {
    "alone": alone,
    "carried": carried,
    "stacked": stacked,
    "beside": side_by_side,
    "overlapping": overlapping,
    "row": spread_row,
    "row of one kind": spread_row,
}

_SIZE_WEIGHTS: Final[dict[Size, float]] = {"small": 0.38, "medium": 0.40, "large": 0.22}

AIRBORNE: Final = frozenset(
    {
        "airplane",
        "alarm clock",
        "balloon",
        "bee",
        "bell",
        "butterfly",
        "coat",
        "crown",
        "dartboard",
        "dress",
        "duck",
        "helicopter",
        "key",
        "ladybug",
        "leaf",
        "light bulb",
        "mirror",
        "owl",
        "rocket",
        "shield",
        "shirt",
        "traffic light",
        "umbrella",
        "window",
    }
)
"""What may well be in the air or on a wall."""


@dataclass(frozen=True, slots=True)
class Group:
    """An arrangement with its things in local coordinates; ``airborne`` groups do not need ground."""

    name: str
    pieces: list[Piece]
    airborne: bool


@cache
def _names() -> tuple[str, ...]:
    return tuple(noun.name for noun in load_nouns())


@cache
def _carriers() -> tuple[str, ...]:
    return tuple(noun.name for noun in load_nouns() if noun.supports)


@cache
def _fliers() -> tuple[str, ...]:
    return tuple(name for name in _names() if name in AIRBORNE)


def cast_groups(rng: Random, aspect: float, style: Style = USUAL) -> list[Group]:
    """The groups of one scene, not yet placed; their things number 2 to 7."""
    left = rng.choices([count for count, _ in COUNTS], [weight for _, weight in COUNTS])[0]
    repeated = rng.choice(_names()) if rng.random() < REPEATS else None
    wanted = rng.choice((2, 2, 3)) if repeated else 0
    cast = _Cast(rng, repeated, min(wanted, left), style)
    groups: list[Group] = []
    while left > 0:
        name, taken = _draw_arrangement(rng, left)
        group = cast.group(name, taken, narrow=aspect < 0.8)
        if group is not None:
            groups.append(group)
            left -= taken
    return groups


def _draw_arrangement(rng: Random, left: int) -> tuple[str, int]:
    fitting = [(name, taken, weight) for name, taken, weight in ARRANGEMENTS if taken <= left]
    name, taken, _ = rng.choices(fitting, [weight for _, _, weight in fitting])[0]
    return name, taken


class _Cast:
    """Hands out nouns and colours; a repeated noun comes up until it has appeared as often as wanted."""

    def __init__(self, rng: Random, repeated: str | None, wanted: int, style: Style) -> None:
        self.rng, self.style = rng, style
        self.repeated = repeated
        self.wanted = wanted
        self.used: set[tuple[str, str]] = set()

    def group(self, name: str, taken: int, *, narrow: bool) -> Group | None:
        """A group of this arrangement, or None if the drawn things do not suit it."""
        rng = self.rng
        if name == "row of one kind":
            pieces = self._row_of_one_kind(taken, narrow)
        elif name == "row":
            size: Size = "small" if narrow else rng.choice(("small", "small", "medium"))
            pieces = [self._piece(self._noun(), size) for _ in range(taken)]
        elif name == "carried":
            carrier = self._piece(rng.choice(_carriers()), rng.choice(("medium", "large", "large")), steady=True)
            smaller: tuple[Size, ...] = ("small",) if carrier.size == "medium" else ("small", "small", "medium")
            pieces = [carrier, self._piece(self._noun(), rng.choice(smaller), steady=True)]
        elif name == "stacked":
            pieces = [self._piece(self._noun()), self._piece(self._noun(flying=rng.random() < 0.6))]
        else:
            airborne = name == "alone" and rng.random() < 0.32
            pieces = [self._piece(self._noun(flying=airborne and rng.random() < 0.55)) for _ in range(taken)]
            placed = _ARRANGE[name](pieces, rng)
            return None if placed is None else Group(name, placed, airborne)
        placed = _ARRANGE[name](pieces, rng)
        return None if placed is None else Group(name, placed, False)

    def _row_of_one_kind(self, taken: int, narrow: bool) -> list[Piece]:
        size: Size = "small" if narrow else self.rng.choice(("small", "small", "medium"))
        noun = self.rng.choice(_names())
        return [self._piece(noun, size) for _ in range(taken)]

    def _noun(self, *, flying: bool = False) -> str:
        if self.repeated is not None and self.wanted > 0 and self.rng.random() < 0.75:
            self.wanted -= 1
            return self.repeated
        return self.rng.choice(_fliers() if flying else _names())

    def _piece(self, noun: str, size: Size | None = None, *, steady: bool = False) -> Piece:
        rng = self.rng
        if size is None:
            size = rng.choices(list(_SIZE_WEIGHTS), list(_SIZE_WEIGHTS.values()))[0]
        colour = rng.choice(COLOURS)
        # Things of one noun mostly differ in colour; where they do not, only place and size tell them apart.
        while (noun, colour) in self.used and rng.random() < 0.8:
            colour = rng.choice(COLOURS)
        self.used.add((noun, colour))
        if self.style.grey > 0 and rng.random() < self.style.grey:
            colour = GREY
        steady = steady or nouns_by_name()[noun].group in ("building", "furniture")
        return make_piece(noun, colour, size, rng, steady=steady, style=self.style)
