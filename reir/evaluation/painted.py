"""The mask that a method gives for an expression in one picture: referring image segmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reir.data.dataset import Dataset, Query
from reir.errors import DatasetError
from reir.geometry.masks import box_rle, resize_rle
from reir.metrics.segmentation import ObjectCentricIou, mask_counts, mask_ious, segmentation_figures
from reir.types import Box, IntArray

RunLengths: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was painted for one query: a mask at the size of its picture, perhaps ``filled`` from a box; or nothing."""

    mask: RunLengths | None
    filled: bool = False

    @classmethod
    def of(cls, box: Box, mask: RunLengths | None, width: int, height: int) -> Answer:
        """The mask (at any size), or the filled box where there is none, of a picture of this size."""
        if mask is not None:
            return cls(resize_rle(mask, width, height))
        return cls(box_rle(box, width, height), filled=True)


class Painted:
    """Every query's mask beside the truth. It holds the masks as run lengths, of which a query has two."""

    def __init__(self, queries: Sequence[Query]) -> None:
        """Of queries without answers as yet.

        Raises:
            DatasetError: an object that is referred to has no true mask.
        """
        without = {query.file_name for query in queries if query.targets[0].mask is None}
        if without:
            raise DatasetError(
                f"objects of {len(without)} pictures have no true mask ('segmentation'), first of {min(without)}: "
                "their boxes can be measured with --task rec"
            )
        self._truths = [_truth(query) for query in queries]
        self._objects = [(query.file_name, query.box) for query in queries]
        self._masks: list[RunLengths | None] = [None] * len(queries)
        self.filled = np.zeros(len(queries), dtype=bool)
        self.intersections: IntArray = np.zeros(len(queries), dtype=np.int64)
        self.unions: IntArray = np.array([mask_counts(truth, truth)[1] for truth in self._truths], dtype=np.int64)

    def put(self, q: int, answers: Sequence[Answer]) -> None:
        """Takes in the answer to query ``q``; of several equally good ones the worst counts, of none nothing."""
        measured = [(*mask_counts(answer.mask, self._truths[q]), answer) for answer in answers if answer.mask]
        if measured:
            above, below, answer = min(measured, key=lambda entry: _ratio(entry[0], entry[1]))
            self.intersections[q], self.unions[q] = above, below
            self._masks[q], self.filled[q] = answer.mask, answer.filled

    @property
    def ious(self) -> npt.NDArray[np.float64]:
        """(Q,) the overlap of each query's mask with the truth."""
        return mask_ious(self.intersections, self.unions)

    def figures(
        self, chosen: npt.NDArray[np.bool_], *, ious: Sequence[float], seed: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """mIoU, oIoU, object-centric IoU and precision at each overlap of the ``chosen`` (Q,), and their intervals.

        An object's predictions are those for its chosen expressions.
        """
        objects = ObjectCentricIou()
        for q in np.flatnonzero(chosen).tolist():
            truth = self._truths[q]
            objects.add(self._objects[q], self._masks[q] or _nothing(truth), truth)
        return segmentation_figures(
            self.intersections[chosen], self.unions[chosen], object_ious=objects.ious(), ious=ious, seed=seed
        )

    def to_json(self) -> dict[str, int]:
        """How many objects were referred to, and how many queries got a mask, a filled box in its place, or nothing."""
        answered = np.array([mask is not None for mask in self._masks], dtype=bool)
        return {
            "objects": len(set(self._objects)),
            "masks": int((answered & ~self.filled).sum()),
            "filled_boxes": int(self.filled.sum()),
            "nothing": int((~answered).sum()),
        }

    def warnings(self) -> list[str]:
        """What should be known of the answers."""
        filled = int(self.filled.sum())
        return [f"filled boxes that stand in for masks: {filled} of {len(self._masks)} expressions"] if filled else []


def picture_sizes(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """Width and height of each picture, by its file name."""
    return {image.file_name: (image.width, image.height) for image in dataset.images}


def _truth(query: Query) -> RunLengths:
    mask = query.targets[0].mask
    assert mask is not None
    return mask


def _nothing(truth: RunLengths) -> RunLengths:
    height, width = truth["size"]
    return {"size": [height, width], "counts": [height * width]}


def _ratio(above: int, below: int) -> float:
    return above / below if below else 1.0
