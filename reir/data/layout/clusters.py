"""Arrangements made on purpose: small groups of things whose relation is meant.

A cluster is a list of pieces in local coordinates (x right, y down, the ground line at y = 0), the ones behind
first. It is placed as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from reir.data.layout.shapes import glyph_shape
from reir.data.layout.styles import USUAL, Style
from reir.data.scenes.nouns import nouns_by_name
from reir.data.scenes.scene import Size
from reir.types import Box


@dataclass(frozen=True, slots=True)
class Piece:
    """A thing before it has a place: centre in cluster coordinates, size of its (rotated) box."""

    noun: str
    colour: str
    size: Size
    extent: float
    rotation: float
    mirrored: bool
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def box(self) -> Box:
        """x0, y0, x1, y1 in cluster coordinates."""
        return (
            self.x - self.width / 2,
            self.y - self.height / 2,
            self.x + self.width / 2,
            self.y + self.height / 2,
        )

    def at(self, x: float, bottom: float) -> Piece:
        """The piece with its centre at ``x`` and its lower edge at ``bottom``."""
        return replace(self, x=x, y=bottom - self.height / 2)


def make_piece(noun: str, colour: str, size: Size, rng: Random, *, steady: bool = False, style: Style = USUAL) -> Piece:
    """A piece of a noun with a random extent, tilt and facing; ``steady`` things stand upright."""
    low, high = style.extents[size]
    extent = rng.uniform(low, high)
    if steady:
        rotation = rng.uniform(-style.steady_tilt, style.steady_tilt)
    elif rng.random() < style.turned:
        rotation = rng.uniform(-style.most_turn, style.most_turn)
    else:
        rotation = max(-style.most_tilt, min(style.most_tilt, rng.gauss(0.0, style.tilt)))
    share_x, share_y = glyph_shape(noun)
    sine, cosine = abs(math.sin(math.radians(rotation))), math.cos(math.radians(rotation))
    # A glyph seldom reaches the corners of its box: two thirds of what a rectangle would gain by turning.
    width = extent * (share_x * cosine + 0.67 * share_y * sine)
    height = extent * (share_y * cosine + 0.67 * share_x * sine)
    return Piece(noun, colour, size, extent, rotation, rng.random() < 0.5, width, height)


Cluster = list[Piece]
Arrange = Callable[[Sequence[Piece], Random], Cluster | None]


def alone(pieces: Sequence[Piece], _: Random) -> Cluster | None:
    """One thing by itself."""
    return [pieces[0].at(0.0, 0.0)]


def carried(pieces: Sequence[Piece], rng: Random) -> Cluster | None:
    """The second thing stands on the first."""
    carrier, rider = pieces[0].at(0.0, 0.0), pieces[1]
    surface = nouns_by_name()[carrier.noun].surface
    if surface is None or rider.width > 1.05 * carrier.width:
        return None
    room = 0.32 * carrier.width
    bottom = carrier.box[1] + (surface + rng.uniform(0.01, 0.08)) * carrier.height
    return [carrier, rider.at(rng.uniform(-room, room), bottom)]


def stacked(pieces: Sequence[Piece], rng: Random) -> Cluster | None:
    """The second thing hangs straight above the first, with a gap."""
    lower, upper = pieces[0].at(0.0, 0.0), pieces[1]
    room = 0.15 * max(lower.width, upper.width)
    return [lower, upper.at(rng.uniform(-room, room), lower.box[1] - rng.uniform(0.03, 0.12))]


def side_by_side(pieces: Sequence[Piece], rng: Random) -> Cluster | None:
    """Two or more things in a line on the same ground, with small gaps."""
    return _line(pieces, rng, 0.015, 0.075, 0.02)


def spread_row(pieces: Sequence[Piece], rng: Random) -> Cluster | None:
    """Things in a line, close enough to be counted."""
    return _line(pieces, rng, 0.03, 0.12, 0.025)


def _line(pieces: Sequence[Piece], rng: Random, low: float, high: float, waver: float) -> Cluster:
    line: Cluster = []
    x = 0.0
    for piece in pieces:
        line.append(piece.at(x + piece.width / 2, rng.uniform(-waver, waver)))
        x += piece.width + rng.uniform(low, high)
    return line


def overlapping(pieces: Sequence[Piece], rng: Random) -> Cluster | None:
    """The second thing hides a part of the first."""
    back, front = pieces[0].at(0.0, 0.0), pieces[1]
    if front.extent > 1.25 * back.extent:
        return None
    side = rng.choice((-1, 1))
    for _ in range(10):
        x = side * rng.uniform(0.2, 0.75) * (back.width + front.width) / 2
        placed = front.at(x, rng.uniform(0.01, 0.06))
        hidden = shared_area(placed.box, back.box) / (back.width * back.height)
        in_view = shared_area(placed.box, back.box) / min(back.width * back.height, placed.width * placed.height)
        if 0.2 <= hidden <= 0.5 and in_view >= 0.2:
            return [back, placed]
    return None


def shared_area(a: Box, b: Box) -> float:
    """Area of the intersection of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
