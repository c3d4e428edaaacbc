"""From a ranking of instances to a ranking of places: pictures with their boxes, or single boxes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BOXES_PER_IMAGE = 5
"""At most so many boxes of one picture are shown."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One scored instance: its score, its id, and the id of the picture that it stands in."""

    score: float
    instance_id: int
    image_id: int


def group_by_image(
    ranking: Iterable[Candidate], top: int, boxes: int = BOXES_PER_IMAGE
) -> tuple[list[list[Candidate]], bool]:
    """The first ``top`` pictures of an instance ranking with their boxes, and whether another picture follows.

    The ranking (best first) is read until a ``top + 1``-th picture appears. A picture is placed by its best
    instance, and a box is kept only if it scores at least as well as the last picture's best one. So the answer does
    not depend on how many instances were fetched, and a picture shows a second box only where that box would have
    earned a place of its own. Each picture keeps at most ``boxes``.
    """
    groups: dict[int, list[Candidate]] = {}
    for candidate in ranking:
        group = groups.get(candidate.image_id)
        if group is None:
            if len(groups) == top:
                return list(groups.values()), True
            groups[candidate.image_id] = [candidate]
        elif len(groups) < top and len(group) < boxes:
            group.append(candidate)
    return list(groups.values()), False
