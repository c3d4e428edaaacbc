"""A look at one picture that is in no index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reir.protocols import Model
from reir.rerank.look import Neighbours
from reir.types import FloatArray, Hit, Instances, Picture


class PictureLook:
    """The ``Look`` at one picture and the instances that a model found in it; row n has instance id n.

    Args:
        read: gives the picture decoded to a longer side of so many pixels at most, when a stage first wants it so.
        instances: what the model found in it.
        model: the model.
        blend: the numbers that mix the parts of its score.
    """

    least_side: int
    out_of_time: Callable[[], bool]
    snapshot = 0
    """There is none."""

    def __init__(
        self,
        read: Callable[[int], Picture],
        instances: Instances,
        model: Model,
        blend: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.blend: Mapping[str, float] = {**model.blend, **(blend or {})}
        self.least_side = 0
        self.out_of_time = lambda: False
        self._read = read
        self._instances = instances
        self._pictures: dict[int, Picture] = {}

    def picture(self, hit: Hit) -> Picture:  # noqa: ARG002
        """The picture. Raises ImageUnreadableError where ``read`` does."""
        side = max(self.least_side, self.model.decode_side)
        if side not in self._pictures:
            self._pictures[side] = self._read(side)
        return self._pictures[side]

    def vectors(self, hits: Sequence[Hit]) -> FloatArray:
        """The vectors of hits, (N, D) float32."""
        return self._instances.vectors[[hit.instance_id for hit in hits]]

    def details(self, instance_ids: Sequence[int]) -> list[dict[str, Any]]:
        """What the model said of instances beside box and vector."""
        known = self._instances.details
        return [dict(known[row]) if known is not None else {} for row in instance_ids]

    def neighbours(self, hits: Sequence[Hit]) -> list[Neighbours]:
        """For each hit, all instances of the picture."""
        found = self._instances
        ids = np.arange(len(found), dtype=np.int64)
        return [Neighbours(ids, found.boxes, found.objectness, found.vectors)] * len(hits)
