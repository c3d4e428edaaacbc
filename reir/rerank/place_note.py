"""What the rectifier tells of a hit: whether it fits, and its place among those that are counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from reir.geometry.places import Reals
from reir.geometry.ranks import axis_keys
from reir.rerank.place_fit import Placed
from reir.text.spatial import Described, Rank, Region
from reir.text.spatial.wording import place_from

_FITS: Final = 0.5
"""From this on the places fit, and a phrase means an instance."""


def place_notes(
    described: Described,
    placed: Placed,
    fit: Reals,
    chance: Reals,
    pictures: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
) -> list[dict[str, Any]]:
    """For each hit, at a row of ``pictures`` and a column, what was found of it as JSON values.

    ``fits``: how well its place does, in [0, 1]; ``meant``: the chance that the subject's phrase means it;
    ``position``: "2 of 4 from the left" where things are counted; ``better``: told where another instance of its
    picture, which is not among the hits, has both and this one has not.
    """
    members = placed.members_of(described.phrase)
    positions = _positions(described, placed)
    seen = np.zeros(chance.shape, dtype=np.bool_)
    seen[pictures, columns] = True
    better = np.where(seen, 0, chance).max(axis=1) >= _FITS
    notes: list[dict[str, Any]] = []
    for row, column in zip(pictures.tolist(), columns.tolist(), strict=True):
        note: dict[str, Any] = {
            "fits": round(float(fit[row, column]), 4),
            "meant": round(float(members[row, column]), 4),
        }
        if positions is not None:
            axis, places, counts = positions
            if places[row, column]:
                note["position"] = f"{places[row, column]} of {counts[row]} {place_from(axis)}"
        if better[row] and chance[row, column] < _FITS:
            note["better"] = "another instance of this picture fits, and is not among the hits that were looked at"
        notes.append(note)
    return notes


def _positions(described: Described, placed: Placed) -> tuple[str, npt.NDArray[np.int64], Sequence[int]] | None:
    """The axis that is counted along, the places (B, N) from 1 (0: not counted), and how many there are."""
    for constraint in described.where:
        if isinstance(constraint, Rank):
            axis, among = constraint.axis, constraint.among
        elif isinstance(constraint, Region) and constraint.choosing:
            axis, among = constraint.sides[0], described.phrase
        else:
            continue
        axis = "left" if axis == "middle" else axis
        counted = placed.counted(among) * placed.present >= _FITS
        keys, _ = axis_keys(placed.boxes, axis, placed.sizes, placed.centres)
        before = (keys[:, None, :] < keys[:, :, None]) & counted[:, None, :]
        return axis, (before.sum(axis=2) + 1) * counted, counted.sum(axis=1).tolist()
    return None
