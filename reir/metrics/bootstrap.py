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
    return _percentiles(_resampled_means(values, resamples, seed), level)


def bootstrap_ratio_interval(
    above: Array, below: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Percentile bootstrap interval (2,) of the sum of ``above`` (Q,) over the sum of ``below`` (Q,).

    Each round draws Q queries with replacement and adds both up over the same ones; 0 / 0 counts as 1.
    """
    means = _resampled_means(np.stack([above, below], axis=1), resamples, seed)
    ratios = np.divide(means[:, 0], means[:, 1], out=np.ones(resamples), where=means[:, 1] != 0)
    interval: npt.NDArray[np.float64] = _percentiles(ratios[:, None], level)[0]
    return interval


def _resampled_means(values: Array, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """The means (R, F) of the values (Q, F) over the queries of each round."""
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
    return means


def _percentiles(rounds: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.float64]:
    """The bounds (F, 2) between which the middle ``level`` of the rounds (R, F) lie."""
    tail = (1.0 - level) / 2
    bounds: npt.NDArray[np.float64] = np.quantile(rounds, [tail, 1.0 - tail], axis=0).T
    return bounds
