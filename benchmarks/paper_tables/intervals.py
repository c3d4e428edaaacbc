"""Means over seeds, their intervals, and when a comparison is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Verdict = Literal["holds", "does not hold", "not resolved at this budget", "too few seeds"]
FEWEST_SEEDS: Final = 3
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds and half the width of its interval (infinite for one seed)."""

    mean: float
    half: float
    seeds: int

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of ``values``, one a seed, with Student's 95% interval: t_(0.975, n - 1) s / sqrt(n)."""
    from scipy.stats import t

    count = len(values)
    if count == 0:
        raise ValueError("no values to take a mean of")
    if count == 1:
        return Estimate(float(values[0]), float("inf"), 1)
    half = t.ppf((1 + LEVEL) / 2, count - 1) * np.std(values, ddof=1) / count**0.5
    return Estimate(float(np.mean(values)), float(half), count)


def verdict(differences: Sequence[float]) -> Verdict:
    """What the differences, one a seed, say of "the first is better": decided where their interval leaves out 0."""
    if len(differences) < FEWEST_SEEDS:
        return "too few seeds"
    found = estimate(differences)
    if found.low > 0:
        return "holds"
    if found.high < 0:
        return "does not hold"
    return "not resolved at this budget"
