"""How sure a share is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reir.types import Array

_DRAWS_AT_ONCE = 4_000_000
"""Numbers of draws held at once (8 bytes each)."""


def bootstrap_intervals(
    values: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Percentile bootstrap intervals (F, 2) of the means of ``values`` (Q, F) over its rows, the queries.

    Each of ``resamples`` rounds draws Q queries with replacement, the same ones for every figure, so that figures stay
    comparable (Efron and Tibshirani, *An Introduction to the Bootstrap*, section 13.3).
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0:
        raise ValueError(f"values must be (Q, F) with at least one query, got {values.shape}")
    queries = len(values)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    # Queries with equal values are interchangeable, and right-or-wrong figures have few patterns: to draw patterns by
    # their frequency is the same as to draw queries, whatever their order, at a cost that does not grow with Q.
    patterns, frequencies = np.unique(values, axis=0, return_counts=True)
    at_once = max(1, _DRAWS_AT_ONCE // len(patterns))
    for start in range(0, resamples, at_once):
        rounds = min(at_once, resamples - start)
        times = generator.multinomial(queries, frequencies / queries, size=rounds)
        means[start : start + rounds] = times @ patterns / queries
    tail = (1.0 - level) / 2
    bounds: npt.NDArray[np.float64] = np.quantile(means, [tail, 1.0 - tail], axis=0).T
    return bounds
