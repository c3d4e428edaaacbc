"""The exact score of an instance, and the one order in which instances are ranked.

A score is the inner product of the float32 query and the stored float16 vector, summed in float64 and rounded to
float32 once. It does not depend on batch, block or engine, so equal vectors tie exactly; ties go to the lower id.
"""

from __future__ import annotations

import numpy as np

from reir.types import Array, FloatArray, IntArray


def exact_scores(query: FloatArray, vectors: Array) -> FloatArray:
    """Scores (N,) float32 of ``vectors`` (N, D) for one query (D,)."""
    scores = np.empty(len(vectors), np.float32)
    step = max(1, (1 << 22) // max(1, len(query)))
    wide = query.astype(np.float64)
    for start in range(0, len(vectors), step):
        # einsum adds up every row in the same order; BLAS may not, and equal vectors would then differ in the last bit.
        scores[start : start + step] = np.einsum("nd,d->n", vectors[start : start + step].astype(np.float64), wide)
    return scores


def rounding_bound(query: FloatArray, largest_norm: float) -> float:
    """How far a float32 inner product in any order may lie from the exact one: D u |q| max|v|, u = 2^-24."""
    return len(query) * 2.0**-24 * float(np.linalg.norm(query.astype(np.float64))) * largest_norm * 1.01 + 1e-30


def best(scores: FloatArray, ids: IntArray, k: int) -> tuple[FloatArray, IntArray]:
    """The k best (k,), (k,): score descending, then id ascending; padded with -inf and -1."""
    order = np.lexsort((ids, -scores))[:k]
    padded_scores = np.full(k, -np.inf, np.float32)
    padded_ids = np.full(k, -1, np.int64)
    padded_scores[: len(order)] = scores[order]
    padded_ids[: len(order)] = ids[order]
    return padded_scores, padded_ids
