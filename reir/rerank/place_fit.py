"""How well the instances of pictures fit what an expression says of their places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reir.geometry.places import Pairs, Reals, between_fit, clock_fit, region_fit, relation_fit
from reir.geometry.ranks import axis_keys, count_chance, in_column, leads, middle_chances, place_chances
from reir.text.spatial import Clock, Constraint, Described, Rank, Region, Related

_SAME = 0.6
"""IoU from which two boxes are taken for the same thing ..."""
_WITHIN = 0.8
"""... and share of the smaller one that both cover, from which one of two such things is a part of the other."""
_CHOOSING = 0.5
"""How much "left cat" asks for the leftmost one, as against any that lies left."""
_COUNT = 0.5
"""How much a number that is said ("of the three dogs") counts as evidence."""

_TRIPLES = 1 << 20
"""Triples of instances that are measured at once: many pictures of many instances would take gigabytes."""


@dataclass(frozen=True)
class Placed:
    """The instances of B pictures, N at most in each: boxes (B, N, 4) and centres (B, N, 2) in pixels, sizes (B, 2) of
    the pictures, and for each phrase that names a thing the chances (B, N) that it means an instance; 0 where a picture
    has no more instances.
    """

    boxes: Reals
    centres: Reals
    sizes: Reals
    members: Mapping[str, Reals]
    present: npt.NDArray[np.bool_]
    """(B, N): whether there is such an instance."""

    @cached_property
    def pairs(self) -> Pairs:
        """Measures of every two boxes of a picture."""
        return Pairs(self.boxes, self.sizes)

    @cached_property
    def apart(self) -> npt.NDArray[np.bool_]:
        """Which two boxes (B, N, N) are of different things."""
        apart: npt.NDArray[np.bool_] = self.pairs.iou < _SAME
        return apart

    @cached_property
    def alike(self) -> npt.NDArray[np.bool_]:
        """Which two boxes (B, N, N) are of one thing, or one of a part of it, where both are called the same."""
        alike: npt.NDArray[np.bool_] = ~self.apart | (self.pairs.shared >= _WITHIN * self.pairs.least("area"))
        return alike

    def members_of(self, phrase: str) -> Reals:
        """The chances (B, N) that a phrase means each instance; 1 for no phrase."""
        return self.members[phrase] if phrase else self.present.astype(np.float64)

    def counted(self, phrase: str) -> Reals:
        """The same, of several boxes of one thing and its parts the likeliest alone (of equal ones the first)."""
        members = self.members_of(phrase)
        order = np.argsort(-members, axis=1, kind="stable")
        kept = np.zeros(members.shape, dtype=np.bool_)
        pictures = np.arange(len(members))
        for rows in order.T:
            same = self.alike[pictures, rows] & kept
            kept[pictures, rows] = ~same.any(axis=1)
        return members * kept


def place_fit(described: Described, placed: Placed) -> Reals:
    """How well each instance (B, N) fits the places that are said of the subject, in [0, 1], whatever it is itself."""
    fit = np.ones(placed.present.shape)
    for constraint in described.where:
        fit = fit * constraint_fit(constraint, described.phrase, placed)
    return fit


def constraint_fit(constraint: Constraint, phrase: str, placed: Placed) -> Reals:
    """How well each instance (B, N) fits one constraint on a subject that ``phrase`` names."""
    match constraint:
        case Region():
            return _region(constraint, phrase, placed)
        case Clock(hour):
            return clock_fit(placed.boxes, hour, placed.sizes, placed.centres)
        case Rank():
            return rank_fit(constraint, placed)
        case Related("between", (first, second)):
            return _between(_meant(first, placed), _meant(second, placed), placed)
        case Related(name, anchors):
            related = relation_fit(name, placed.pairs) * placed.apart * _meant(anchors[0], placed)[:, None, :]
            most: Reals = related.max(axis=2, initial=0.0)
            return most


def rank_fit(rank: Rank, placed: Placed) -> Reals:
    """The chance (B, N) that each instance has a rank among the things that are counted."""
    members = placed.counted(rank.among)
    if rank.axis == "middle":
        across, down = (
            middle_chances(leads(*axis_keys(placed.boxes, axis, placed.sizes, placed.centres)) * placed.apart, members)
            for axis in ("left", "top")
        )
        chances = np.where(in_column(placed.centres, members)[:, None], down, across)
    else:
        before = leads(*axis_keys(placed.boxes, rank.axis, placed.sizes, placed.centres)) * placed.apart
        chances = place_chances(before, members, rank.place)
    if rank.count is not None:
        chances = chances * (1 - _COUNT + _COUNT * count_chance(members, rank.count))[:, None]
    return chances


def _region(region: Region, phrase: str, placed: Placed) -> Reals:
    fit = region_fit(placed.boxes, region.sides, placed.sizes, placed.centres)
    if not (region.choosing or region.extreme) or len(region.sides) > 1:
        return fit
    first = rank_fit(Rank(region.sides[0], among=phrase), placed)
    return fit * (1 - _CHOOSING) + first * _CHOOSING


def _between(one: Reals, other: Reals, placed: Placed) -> Reals:
    """How well each instance (B, N) lies between two others, which are meant with chances ``one`` and ``other``."""
    count, most = one.shape
    best = np.zeros(one.shape)
    step = max(1, _TRIPLES // max(most, 1) ** 3)
    for start in range(0, count, step):
        some = slice(start, start + step)
        fit = between_fit(Pairs(placed.boxes[some], placed.sizes[some]))
        triples = fit * one[some, None, :, None] * other[some, None, None, :]
        best[some] = triples.max(axis=(2, 3), initial=0.0)
    return best


def _meant(described: Described, placed: Placed) -> Reals:
    """The chances (B, N) that a description with its places means each instance."""
    return placed.members_of(described.phrase) * place_fit(described, placed)
