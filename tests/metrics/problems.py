"""Random retrieval problems full of ties: few distinct vectors and boxes, small whole numbers, empty pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from tests.metrics.plain import Gallery

BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 6], [0, 0, 10, 5], [20, 0, 30, 10], [2, 0, 12, 10]], float)


@dataclass
class Problem:
    query_vectors: np.ndarray
    query_images: np.ndarray
    query_boxes: np.ndarray
    vectors: np.ndarray
    boxes: np.ndarray
    image_index: np.ndarray

    @property
    def scores(self) -> list[list[float]]:
        """Whole numbers, so that every way to compute them gives the same."""
        return (self.query_vectors.astype(np.int64) @ self.vectors.astype(np.int64).T).astype(float).tolist()

    @property
    def gallery(self) -> Gallery:
        return Gallery(self.image_index.tolist(), [tuple(box) for box in self.boxes.tolist()])


@st.composite
def problems(draw, max_instances=40, max_queries=6):
    seed = draw(st.integers(0, 2**32 - 1))
    images = draw(st.integers(1, 8))
    instances = draw(st.integers(0, max_instances))
    queries = draw(st.integers(1, max_queries))
    dimension = draw(st.integers(1, 5))
    spread = draw(st.sampled_from([0, 1, 3, 50]))
    rng = np.random.default_rng(seed)
    return Problem(
        query_vectors=rng.integers(-spread, spread + 1, (queries, dimension)).astype(np.float32),
        query_images=rng.integers(0, images, queries),
        query_boxes=BOXES[rng.integers(0, len(BOXES), queries)],
        vectors=rng.integers(-spread, spread + 1, (instances, dimension)).astype(np.float32),
        boxes=BOXES[rng.integers(0, len(BOXES), instances)],
        image_index=rng.integers(0, images, instances),
    )
