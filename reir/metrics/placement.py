"""Where a query stands inside its own picture: all that the gallery's other pictures are then compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reir.geometry import iou_matrix
from reir.metrics.scores import exact_scores
from reir.types import Array, IntArray


@dataclass(frozen=True, slots=True)
class Truth:
    """What an expression refers to: true boxes (T, 4) and the picture of each, ``image_ids`` (T,).

    One box for an ordinary expression; all true ones for an ambiguous expression.
    """

    image_ids: IntArray
    boxes: Array

    def __post_init__(self) -> None:
        if len(self.image_ids) == 0 or self.boxes.shape != (len(self.image_ids), 4):
            raise ValueError(
                f"a truth has boxes (T, 4) and image_ids (T,), got {self.boxes.shape} {self.image_ids.shape}"
            )

    def overlaps(self, image_ids: IntArray, boxes: Array) -> npt.NDArray[np.float64]:
        """Best IoU (n,) of each box (n, 4) with the true boxes of its own picture (n,); 0 where there is none."""
        same = image_ids[:, None] == self.image_ids[None, :]
        best: npt.NDArray[np.float64] = (iou_matrix(boxes, self.boxes) * same).max(axis=1)
        return best


@dataclass(frozen=True, slots=True)
class Placement:
    """One query among the instances of its true pictures.

    ``best_score`` is that of the best instance, ``best_iou`` its IoU with the truth (of several equally scored ones,
    the worst: ties count against the model), ``best_ahead`` the number of others inside that score at least as high.
    For each threshold, ``good_scores`` (T,) is the best score among instances with IoU above it and ``good_ahead`` (T,)
    the number inside that are not above it and score at least as high. Scores are -inf where there is no such instance.
    """

    image_ids: IntArray
    best_score: float
    best_iou: float
    best_ahead: int
    good_scores: npt.NDArray[np.float64]
    good_ahead: IntArray


def place(
    query: npt.ArrayLike, truth: Truth, image_ids: IntArray, boxes: Array, vectors: Array, *, ious: Sequence[float]
) -> Placement:
    """Placement of a query (D,) among all instances of its true pictures.

    ``image_ids`` (n,), ``boxes`` (n, 4) and ``vectors`` (n, D) are those of every instance of ``truth.image_ids``;
    n may be 0.
    """
    scores = exact_scores(query, vectors)
    overlaps = truth.overlaps(image_ids, boxes)
    best = float(scores.max(initial=-np.inf))
    tied = scores == best
    good_scores = np.full(len(ious), -np.inf)
    good_ahead = np.zeros(len(ious), dtype=np.int64)
    for i, iou in enumerate(ious):
        good = overlaps > iou
        good_scores[i] = scores[good].max(initial=-np.inf)
        good_ahead[i] = np.count_nonzero(scores[~good] >= good_scores[i])
    return Placement(
        image_ids=np.unique(truth.image_ids),
        best_score=best,
        best_iou=float(overlaps[tied].min(initial=1.0)) if len(scores) else 0.0,
        best_ahead=int(tied.sum()) - 1 if len(scores) else 0,
        good_scores=good_scores,
        good_ahead=good_ahead,
    )
