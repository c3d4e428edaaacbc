"""What was understood of an expression, in words."""

from __future__ import annotations

from typing import Final

from reir.text.spatial.meaning import Clock, Constraint, Described, Rank, Region, Related

_ENDS: Final = {
    "left": ("leftmost", "from the left"),
    "right": ("rightmost", "from the right"),
    "top": ("topmost", "from the top"),
    "bottom": ("lowest", "from the bottom"),
    "front": ("nearest to the camera", "from the front"),
    "back": ("furthest from the camera", "from the back"),
    "large": ("largest", "by size"),
    "small": ("smallest", "by size, smallest first"),
    "tall": ("tallest", "by height"),
    "short": ("shortest", "by height, shortest first"),
    "wide": ("widest", "by width"),
    "narrow": ("narrowest", "by width, narrowest first"),
    "middle": ("middle one", "from the middle"),
}


def say(described: Described) -> str:
    """The description with its constraints, such as "red cup: left of (dog: under (lamp))"."""
    phrase = described.phrase or "thing"
    return f"{phrase}: {'; '.join(map(_say, described.where))}" if described.where else phrase


def place_from(axis: str) -> str:
    """How places counted from an axis are told: "from the left"."""
    return _ENDS[axis][1]


def _say(constraint: Constraint) -> str:
    match constraint:
        case Region(sides, choosing, extreme):
            place = " ".join(sides)
            return f"{'far ' if extreme else ''}{place}{' one' if choosing else ' of the picture'}"
        case Clock(hour):
            return f"at {hour} o'clock"
        case Rank(axis, place, count, among):
            counted = _ENDS[axis][0] if place == 1 else f"number {place} {_ENDS[axis][1]}"
            return counted + (f" of {count}" if count else "") + (f" ({among})" if among else "")
        case Related(name, anchors):
            return f"{name.replace('_', ' ')} {' and '.join(f'({say(anchor)})' for anchor in anchors)}"
