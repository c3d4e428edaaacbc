"""Whether chances are what they say, and whether "nothing fits" is said when nothing does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_RESAMPLES = 2000
_DRAWS_AT_ONCE = 4_000_000

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Hits whose chance lies in ``[low, high)``: how many, their mean chance, and the share of right ones."""

    low: float
    high: float
    hits: int
    mean_probability: float
    share_right: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far chances are from the shares that come true.

    ``ece`` is the expected calibration error, ``interval`` its 95% bootstrap interval over the queries, ``bins`` the
    table behind it, without empty bins.
    """

    queries: int
    ece: float
    interval: tuple[float, float]
    bins: Sequence[ReliabilityBin]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def reliability(probabilities: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 10, seed: int = 0) -> Reliability:
    """Expected calibration error of hits, in bins of equal width (Guo et al., *On Calibration of Modern Neural
    Networks*, ICML 2017, eq. 3): the mean over hits of the gap between the mean chance of a bin and its share of right
    ones.

    With finitely many hits it is above 0 for perfect chances too.

    Args:
        probabilities: (Q,) of one hit a query, or (Q, K) of K hits; the hits of a query are drawn together.
        right: whether each hit is right, alike.
        bins: how many, over [0, 1].
        seed: of the bootstrap.
    """
    chances, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(right, dtype=bool)
    if chances.shape != truth.shape or chances.ndim not in (1, 2) or chances.size == 0:
        raise ValueError(f"expected chances and truths (Q,) or (Q, K), got {chances.shape} and {truth.shape}")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError("a chance lies in [0, 1]")
    chances, truth = chances.reshape(len(chances), -1), truth.reshape(len(truth), -1)
    places = np.minimum((chances * bins).astype(np.int64), bins - 1)
    gaps = np.stack([((chances - truth) * (places == number)).sum(axis=1) for number in range(bins)], axis=1)
    table = []
    for number in range(bins):
        inside = places == number
        if inside.any():
            table.append(
                ReliabilityBin(
                    number / bins,
                    (number + 1) / bins,
                    int(inside.sum()),
                    float(chances[inside].mean()),
                    float(truth[inside].mean()),
                )
            )

    def error(sums: Float64Array) -> Float64Array:
        total: Float64Array = np.abs(sums).sum(axis=1) / chances.size
        return total

    return Reliability(len(chances), float(error(gaps.sum(axis=0)[None])[0]), _interval(gaps, error, seed), table)


@dataclass(frozen=True, slots=True)
class NoMatchFigures:
    """How well "nothing fits" is said: of ``queries``, ``unanswerable`` have no answer in their gallery.

    ``precision``: the share of unanswerable ones among those of which it was said, None if it never was; ``recall``:
    the share of unanswerable ones of which it was said. Intervals are 95%, bootstrap over the queries.
    """

    queries: int
    unanswerable: int
    said: int
    precision: float | None
    precision_interval: tuple[float, float] | None
    recall: float
    recall_interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def no_match_figures(said: npt.ArrayLike, unanswerable: npt.ArrayLike, *, seed: int = 0) -> NoMatchFigures:
    """Precision and recall of ``said`` (Q,) against ``unanswerable`` (Q,), both bool.

    Raises:
        ValueError: no query is unanswerable, so that there is no recall.
    """
    claims, truth = np.asarray(said, dtype=bool), np.asarray(unanswerable, dtype=bool)
    if claims.shape != truth.shape or claims.ndim != 1:
        raise ValueError(f"expected two arrays (Q,), got {claims.shape} and {truth.shape}")
    if not truth.any():
        raise ValueError("no query is unanswerable")
    counts = np.stack([claims & truth, claims, truth], axis=1).astype(np.float64)

    def precision(sums: Float64Array) -> Float64Array:
        return _ratio(sums[:, 0], sums[:, 1])

    def recall(sums: Float64Array) -> Float64Array:
        return _ratio(sums[:, 0], sums[:, 2])

    sums = counts.sum(axis=0)[None]
    return NoMatchFigures(
        queries=len(claims),
        unanswerable=int(truth.sum()),
        said=int(claims.sum()),
        precision=float(precision(sums)[0]) if claims.any() else None,
        precision_interval=_interval(counts, precision, seed) if claims.any() else None,
        recall=float(recall(sums)[0]),
        recall_interval=_interval(counts, recall, seed),
    )


def _ratio(part: Float64Array, whole: Float64Array) -> Float64Array:
    """NaN where the whole is 0, which a quantile of the others leaves out."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _interval(
    values: Float64Array, statistic: Callable[[Float64Array], Float64Array], seed: int
) -> tuple[float, float]:
    """95% percentile bootstrap interval of a ``statistic`` of sums (R, F) over resampled rows of ``values`` (Q, F)."""
    generator = np.random.default_rng(seed)
    queries = len(values)
    at_once = max(1, _DRAWS_AT_ONCE // queries)
    found = []
    for start in range(0, _RESAMPLES, at_once):
        rounds = min(at_once, _RESAMPLES - start)
        times = generator.multinomial(queries, np.full(queries, 1 / queries), size=rounds)
        found.append(statistic(times @ values))
    low, high = np.nanquantile(np.concatenate(found), [0.025, 0.975])
    return float(low), float(high)
