"""Exact search in numpy: the peer of the FAISS store, and the quicker start for an index that is small."""

from __future__ import annotations

import numpy as np

from reir.store.ranking import best, exact_scores, rounding_bound
from reir.types import FloatArray, IntArray

_BLOCK = 1 << 16


class PlainStore:
    """A `reir.protocols.VectorStore` that compares every vector, held as float32 (rows of float16 precision)."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._ids: IntArray = np.empty(0, np.int64)
        self._vectors: FloatArray = np.empty((0, dimension), np.float32)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: IntArray, vectors: FloatArray) -> None:
        """Adds rows (N, D) under ids (N,), rounded to float16 as every store keeps them."""
        if len(ids) != len(vectors) or vectors.shape[1:] != (self.dimension,):
            raise ValueError(f"vectors must be ({len(ids)}, {self.dimension}), got {vectors.shape}")
        self._ids = np.concatenate([self._ids, ids.astype(np.int64)])
        self._vectors = np.concatenate([self._vectors, vectors.astype(np.float16).astype(np.float32)])

    def remove(self, ids: IntArray) -> None:
        """Forgets rows; unknown ids are passed over."""
        keep = ~np.isin(self._ids, ids)
        self._ids, self._vectors = self._ids[keep], self._vectors[keep]

    def search(self, queries: FloatArray, k: int, *, allowed: IntArray | None = None) -> tuple[FloatArray, IntArray]:
        """Scores (Q, k) and ids (Q, k), exact, best first, ties by id; missing places are -inf and -1."""
        rows = np.arange(len(self)) if allowed is None else np.flatnonzero(np.isin(self._ids, allowed))
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        if len(rows) == 0 or k == 0:
            return scores, ids
        vectors = self._vectors if allowed is None else self._vectors[rows]
        largest_norm = float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max()))
        for place, query in enumerate(queries):
            near = np.concatenate([vectors[i : i + _BLOCK] @ query for i in range(0, len(vectors), _BLOCK)])
            if len(near) > k:
                kth = np.partition(near, -k)[-k]
                chosen = np.flatnonzero(near >= kth - 2 * rounding_bound(query, largest_norm))
            else:
                chosen = np.arange(len(near))
            scores[place], ids[place] = best(exact_scores(query, vectors[chosen]), self._ids[rows[chosen]], k)
        return scores, ids
