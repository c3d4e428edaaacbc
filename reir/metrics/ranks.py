"""Ranks counted while the gallery streams by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reir.metrics.placement import Placement
from reir.metrics.scores import exact_scores, rounding_margin
from reir.types import Array, FloatArray, IntArray

QUERIES_AT_ONCE = 512
"""Queries multiplied with a block at once: bounds the memory of the product to this many times the block's rows."""

CANDIDATES_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of Q queries, counted from 0 and capped at ``depth`` (at least that many stand before).

    ``official`` (Q,): of the best instance inside the true picture, ``top_iou`` (Q,) its IoU with the truth.
    ``any`` (Q, T): of the first instance with IoU above each of ``ious``. ``image`` (Q,): of the true picture among
    distinct pictures. In all of them an equal score stands before, except another right answer's for ``any``.
    """

    official: IntArray
    top_iou: npt.NDArray[np.float64]
    any: IntArray
    image: IntArray
    ious: tuple[float, ...]
    depth: int

    def __len__(self) -> int:
        return len(self.official)


class RankCounter:
    """Counts, block by block, the instances and pictures that stand before each query's own.

    Memory is that of the queries and of one product of :data:`QUERIES_AT_ONCE` queries with a block, whatever the size
    of the gallery. The result does not depend on how the gallery is cut into blocks, nor on their order.

    Nothing beyond rank ``depth`` changes a recall at k <= depth, so a query that is settled is not multiplied again.
    """

    def __init__(
        self, queries: FloatArray, placements: Sequence[Placement], *, ious: Sequence[float], depth: int
    ) -> None:
        if queries.ndim != 2 or len(queries) != len(placements):
            raise ValueError(f"queries must be ({len(placements)}, D), got {queries.shape}")
        if not np.isfinite(queries).all():
            raise ValueError("query vectors must be finite, got NaN or infinity")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._own_images = [placement.image_ids for placement in placements]
        self._top_iou = np.array([placement.best_iou for placement in placements])
        self._ious = tuple(ious)
        self._depth = depth
        # Column 0 is the best instance inside; the others are the best right one at each IoU threshold.
        columns = 1 + len(self._ious)
        self._scores = np.array([[p.best_score, *p.good_scores] for p in placements]).reshape(-1, columns)
        ahead = np.array([[p.best_ahead, *p.good_ahead] for p in placements], dtype=np.int64).reshape(-1, columns)
        missing = np.isneginf(self._scores)
        self._ahead = np.where(missing, depth, np.minimum(ahead, depth))
        self._images_ahead: list[set[int]] = [set() for _ in placements]
        self._image_rank = np.where(missing[:, 0], depth, 0)

    def add(self, image_ids: IntArray, vectors: Array) -> None:
        """Count a block: vectors (n, D) and the picture of each, ``image_ids`` (n,). Every live instance comes once."""
        if len(vectors) == 0:
            return
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (len(image_ids), self._queries.shape[1]):
            raise ValueError(
                f"vectors must be ({len(image_ids)}, {self._queries.shape[1]}) as the queries are, got {vectors.shape}"
            )
        open_rows = np.flatnonzero((self._ahead < self._depth).any(axis=1) | (self._image_rank < self._depth))
        margins = rounding_margin(self._queries[open_rows], vectors)
        for start in range(0, len(open_rows), QUERIES_AT_ONCE):
            rows = open_rows[start : start + QUERIES_AT_ONCE]
            product = self._queries[rows] @ vectors.T
            floors = np.nextafter(
                (self._lowest(rows) - margins[start : start + QUERIES_AT_ONCE]).astype(np.float32), np.float32(-np.inf)
            )
            for row, scores, floor in zip(rows.tolist(), product, floors, strict=True):
                candidates = np.flatnonzero(scores >= floor)
                if len(candidates):
                    # The highest first: a query that stands far back is settled by the first few.
                    self._count(row, candidates[np.argsort(-scores[candidates])], image_ids, vectors)

    def ranks(self) -> Ranks:
        """What was counted so far."""
        return Ranks(
            official=self._ahead[:, 0].copy(),
            top_iou=self._top_iou.copy(),
            any=self._ahead[:, 1:].copy(),
            image=self._image_rank.copy(),
            ious=self._ious,
            depth=self._depth,
        )

    def _lowest(self, rows: IntArray) -> npt.NDArray[np.float64]:
        """The lowest score (R,) that still matters to each query."""
        lowest = np.where(self._ahead[rows] < self._depth, self._scores[rows], np.inf).min(axis=1)
        of_image = np.where(self._image_rank[rows] < self._depth, self._scores[rows, 0], np.inf)
        both: npt.NDArray[np.float64] = np.minimum(lowest, of_image)
        return both

    def _count(self, row: int, candidates: IntArray, image_ids: IntArray, vectors: FloatArray) -> None:
        # What lies inside the true pictures was counted by the placement.
        outside = (image_ids[candidates, None] != self._own_images[row][None, :]).all(axis=1)
        candidates = candidates[outside]
        for start in range(0, len(candidates), CANDIDATES_AT_ONCE):
            some = candidates[start : start + CANDIDATES_AT_ONCE]
            ahead = exact_scores(self._queries[row], vectors[some])[:, None] >= self._scores[row][None, :]
            self._ahead[row] = np.minimum(self._ahead[row] + ahead.sum(axis=0), self._depth)
            if self._image_rank[row] < self._depth:
                self._images_ahead[row].update(image_ids[some[ahead[:, 0]]].tolist())
                self._image_rank[row] = min(len(self._images_ahead[row]), self._depth)
            if self._image_rank[row] == self._depth and (self._ahead[row] == self._depth).all():
                break
