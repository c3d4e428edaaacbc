"""Inner products on which ties are decided.

A matrix product in float32 may give the same two vectors different last bits in different places of a block, so equal
instances would tie or not by accident. Ties are therefore decided on one slow form, the same wherever an instance lies,
and the fast product only chooses who is looked at closely.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.types import Array


def exact_scores(query: npt.ArrayLike, vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inner products (n,) of one query (D,) with vectors (n, D): float64, summed in an order that depends on D alone.

    Both are taken as float32, whose products are exact in float64. Equal vectors give equal scores, bit for bit.
    """
    query = np.asarray(query, dtype=np.float32).astype(np.float64)
    vectors = np.ascontiguousarray(np.asarray(vectors, dtype=np.float32), dtype=np.float64)
    scores: npt.NDArray[np.float64] = (vectors * query).sum(axis=1)
    return scores


def rounding_margin(queries: Array, vectors: Array) -> npt.NDArray[np.float64]:
    """How far (Q,) float32 inner products of each query (Q, D) with ``vectors`` (n, D) may be from the exact ones.

    ``|error| <= D u |q| |v|`` with u = 2^-24, in whatever order the sum is taken (Higham, *Accuracy and Stability of
    Numerical Algorithms*, eq. 3.5); doubled, for the higher-order terms and the comparison itself.

    Raises:
        ValueError: an instance vector is not finite.
    """
    longest = float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64).max(initial=0.0)))
    if not np.isfinite(longest):
        raise ValueError("instance vectors must be finite, got NaN or infinity")
    lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    margin: npt.NDArray[np.float64] = 2.0 * (queries.shape[1] + 1) * 2.0**-24 * lengths * longest
    return margin
