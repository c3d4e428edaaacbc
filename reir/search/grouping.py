"""From a ranking of instances to a ranking of pictures."""

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
    """The first ``top`` pictures of an instance ranking with their boxes, and whether there were so many.

    The ranking (best first) is read until its ``top``-th different picture appears, and no further: a picture is
    placed by its best instance, and a box is kept only if it scores at least as well as the last picture's best
    one. So the answer does not depend on how many instances were fetched, and a picture shows a second box only
    where that box would have earned a place of its own. Each picture keeps at most ``boxes``.
    """
    groups: dict[int, list[Candidate]] = {}
    for candidate in ranking:
        group = groups.setdefault(candidate.image_id, [])
        if len(group) < boxes:
            group.append(candidate)
        if len(groups) == top:
            return list(groups.values()), True
    return list(groups.values()), False
