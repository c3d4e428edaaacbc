"""Which of several things is the second from the left, when it is not certain which things count.

Each of N things is one of those that are counted with a chance of its own, and may come before another with one too:
the number of things that come before it is then a sum of independent trials, whose distribution is worked out exactly.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from reir.geometry.places import Reals, centres_of, ramp

_GAP: Final = 0.03
"""Distance of centres, as a share of the square root of the picture's area, from which the order is clear."""
_RATIO: Final = 0.1
"""The same of the logarithm of sizes."""
_NEARER: Final = 0.3
"""How much the size of a box counts beside its lower edge, of things near the camera."""
_UPRIGHT: Final = 2.0
"""Things stand in a column rather than a row where they spread so many times more downwards than across."""


def axis_keys(
    boxes: npt.ArrayLike, axis: str, size: npt.ArrayLike, centres: npt.ArrayLike | None = None
) -> tuple[Reals, float]:
    """A number (..., N) for each box (..., N, 4) that grows along an axis, and the difference from which the order is
    clear. ``size`` (..., 2) is the picture's, ``centres`` (..., N, 2) stand for the boxes' own.

    ``left``, ``right``, ``top``, ``bottom`` go by centres, ``front`` and ``back`` by the lower edge and a little by
    size, ``large`` and ``small`` by the longer side, ``tall``, ``short``, ``wide``, ``narrow`` by height and width.

    Raises:
        ValueError: no such axis.
    """
    corners = np.asarray(boxes, dtype=np.float64)
    middle = centres_of(corners) if centres is None else np.asarray(centres, dtype=np.float64)
    unit = np.sqrt(np.asarray(size, dtype=np.float64).prod(axis=-1))[..., None]
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 1e-6)
    keys: Reals
    match axis:
        case "left" | "right":
            keys, gap = middle[..., 0] / unit, _GAP
        case "top" | "bottom":
            keys, gap = middle[..., 1] / unit, _GAP
        case "front" | "back":
            keys, gap = (corners[..., 3] + _NEARER * np.sqrt(sides.prod(axis=-1))) / unit, _GAP
        case "large" | "small":
            keys, gap = np.log(sides.max(axis=-1)), _RATIO
        case "tall" | "short":
            keys, gap = np.log(sides[..., 1]), _RATIO
        case "wide" | "narrow":
            keys, gap = np.log(sides[..., 0]), _RATIO
        case _:
            raise ValueError(f"no axis to count along: {axis!r}")
    return (-keys if axis in ("right", "bottom", "front", "large", "tall", "wide") else keys), gap


def in_column(centres: npt.ArrayLike, members: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether the members (chances, (..., N)) of things at centres (..., N, 2) stand in a column, not a row: (...)."""
    weights, points = np.asarray(members, dtype=np.float64), np.asarray(centres, dtype=np.float64)
    total = np.maximum(weights.sum(axis=-1), 1e-9)[..., None]
    mean = np.einsum("...n,...nd->...d", weights, points) / total
    spread = np.sqrt(np.einsum("...n,...nd->...d", weights, (points - mean[..., None, :]) ** 2) / total)
    column: npt.NDArray[np.bool_] = spread[..., 1] > _UPRIGHT * spread[..., 0]
    return column


def leads(keys: Reals, gap: float) -> Reals:
    """The chance (..., N, N) that the column's thing comes before the row's, of keys (..., N).

    Of equal keys it is 0.5, of the thing itself 0.
    """
    return ramp(keys[..., :, None] - keys[..., None, :], -gap, gap) * (1 - np.eye(keys.shape[-1]))


def place_chances(before: Reals, members: npt.ArrayLike, place: int) -> Reals:
    """The chance (..., N) that exactly ``place`` - 1 members come before each thing, whether it is a member or not.

    Args:
        before: (..., N, N) chance that the column's thing comes before the row's.
        members: (..., N) chance that a thing is counted.
        place: counted from 1.
    """
    trials = before * np.asarray(members, dtype=np.float64)[..., None, :]
    return _sums(trials, place)[..., place - 1]


def middle_chances(before: Reals, members: npt.ArrayLike) -> Reals:
    """How near each thing (..., N) is to having as many members before it as behind it: 1 where they are equal."""
    weights = np.asarray(members, dtype=np.float64)
    surplus = np.einsum("...ij,...j->...i", before - np.swapaxes(before, -1, -2), weights)
    near: Reals = np.exp(-(surplus**2) / 2)
    return near


def count_chance(members: npt.ArrayLike, count: int) -> Reals:
    """The chance (...) that there are exactly ``count`` members, whose chances are (..., N)."""
    return _sums(np.asarray(members, dtype=np.float64), count + 1)[..., count]


def _sums(trials: Reals, most: int) -> Reals:
    """The chances (..., ``most`` + 1) that 0, 1, ... of independent trials (..., N) succeed; the last stands for all
    larger numbers too.
    """
    found = np.zeros((*trials.shape[:-1], most + 1))
    found[..., 0] = 1.0
    for column in range(trials.shape[-1]):
        moved = found * trials[..., column, None]
        found -= moved
        found[..., 1:] += moved[..., :-1]
        found[..., -1] += moved[..., -1]
    return found
