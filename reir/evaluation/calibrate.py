"""What a model's scores mean, learned from a labelled data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reir.data.dataset import Dataset
from reir.errors import CalibrationError, UsageError
from reir.evaluation.left_out import Trials, leave_out
from reir.evaluation.progress import Progress
from reir.metrics import NoMatchFigures, Reliability, no_match_figures, reliability
from reir.models import Calibration
from reir.models.calibration import DEPTH
from reir.protocols import Model

if TYPE_CHECKING:
    from reir.store import Snapshot

HITS = 10
"""First hits of each trial whose chances are fitted: what a first page shows."""

WANTED_PRECISION = 0.9

_FOLDS = 5
_HIGHEST_THRESHOLD = 0.5
"""Where something fits more likely than not, "nothing fits" is not said, however precise it would be on the whole."""
_FEWEST_RIGHT = 20

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """Chances at one size of the gallery: of the first hit (``hits``), and of "nothing fits" (``no_match``)."""

    pictures: int
    instances: int
    """On average."""
    hits: Reliability
    no_match: NoMatchFigures

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "pictures": self.pictures,
            "instances": self.instances,
            "hits": self.hits.to_json(),
            "no_match": self.no_match.to_json(),
        }


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A calibration with figures on expressions that it was not fitted on.

    ``by_size``: fitted on four fifths of the expressions, measured on the fifth. ``unseen_size``: fitted also without
    the galleries of that size.
    """

    calibration: Calibration
    by_size: Sequence[SizeFigures]
    unseen_size: Sequence[SizeFigures]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "calibration": self.calibration.to_json(),
            "by_size": [figures.to_json() for figures in self.by_size],
            "unseen_size": [figures.to_json() for figures in self.unseen_size],
        }


def calibrate(
    snapshot: Snapshot,
    model: Model,
    dataset: Dataset,
    *,
    precision: float = WANTED_PRECISION,
    sizes: Sequence[int] | None = None,
    most_queries: int = 6000,
    seed: int = 0,
    progress: Progress | None = None,
) -> CalibrationReport:
    """The calibration of a model's scores for expressions, by a data set in which every expression has its truth.

    It holds for questions as likely to have no answer as to have one; each expression is put to both kinds of gallery,
    at several sizes (`leave_out`).

    Args:
        snapshot: an index that holds every picture of the data set.
        model: the one that made the index.
        dataset: one that evaluates nothing else: figures on it are no longer a test.
        precision: of "nothing fits", over the galleries of all sizes, that the threshold is chosen for; lower where
            something would fit more likely than not.
        sizes: of the galleries in pictures; by default from a thirtieth of the data set to all of it.
        most_queries: of more expressions, a random choice is taken.
        seed: of all random choices.
        progress: told how far it is.

    Raises:
        UsageError: ``precision`` or a size out of range.
        CalibrationError: too few pictures or expressions, or the scores do not tell right from wrong.
        ModelMismatchError: the index was made by another model.
        PicturesMissingError: the index lacks pictures of the data set.
    """
    if not 0.5 <= precision < 1:
        raise UsageError(f"the wanted precision must be from 0.5 to below 1, got {precision}")
    if sizes is not None and not all(1 <= size <= len(dataset.images) for size in sizes):
        raise UsageError(
            f"sizes must be from 1 to the {len(dataset.images)} pictures of the data set, got {list(sizes)}"
        )
    trials = leave_out(
        snapshot,
        model,
        dataset,
        sizes=sizes,
        depth=DEPTH,
        most_queries=most_queries,
        seed=seed,
        progress=progress,
    )
    fingerprint = model.identity.fingerprint
    folds = _folds(dataset, trials, seed)
    used = sorted(set(trials.pictures.tolist()))
    calibration = fit(trials, fingerprint=fingerprint)
    parts = [fit(trials.chosen(folds != fold), fingerprint=fingerprint) for fold in range(_FOLDS)]
    threshold = _threshold(_anything(parts, trials, folds), trials.answerable, precision)
    by_size = [_figures(parts, trials, folds, size, threshold, seed) for size in used]
    unseen_size = []
    for size in used if len(used) > 1 else ():
        without = [
            fit(trials.chosen((folds != fold) & (trials.pictures != size)), fingerprint=fingerprint)
            for fold in range(_FOLDS)
        ]
        unseen_size.append(_figures(without, trials, folds, size, threshold, seed))
    made: Mapping[str, Any] = {
        "dataset": dataset.name,
        "pictures": len(dataset.images),
        "expressions": len(np.unique(trials.queries)),
        "sizes": used,
        "wanted_precision": precision,
        "seed": seed,
    }
    return CalibrationReport(replace(calibration, threshold=threshold, made=made), by_size, unseen_size)


def fit(trials: Trials, *, fingerprint: str) -> Calibration:
    """The calibration of highest likelihood, with threshold 0.

    First the chance that anything fits, a logistic regression of the best score and the logarithm of the gallery's
    size; then, given an answer, how it is shared out among the first ten hits, right or wrong each by itself.

    Raises:
        CalibrationError: the scores do not tell right from wrong.
    """
    held = trials.chosen(trials.answerable & np.isfinite(trials.best[:, 0]))
    if held.right[:, :HITS].any(axis=1).sum() < _FEWEST_RIGHT:
        raise CalibrationError(
            "the model finds next to none of what the data set describes: there is nothing to calibrate"
        )
    score, size, offset = _fit_anything(trials)
    contrast, clear_score = _fit_share(held)
    if score <= 0 or contrast <= 0:
        raise CalibrationError(
            "the model's scores do not tell right from wrong on this data set: there is nothing to calibrate"
        )
    return Calibration(fingerprint, score, size, offset, contrast, clear_score, threshold=0.0)


def _fit_anything(trials: Trials) -> tuple[float, float, float]:
    from scipy.optimize import minimize

    some = trials.chosen(np.isfinite(trials.best[:, 0]))
    features = np.stack([some.best[:, 0].astype(np.float64), np.log(some.instances)], axis=1)
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1.0
    columns = np.concatenate([(features - middle) / spread, np.ones((len(some), 1))], axis=1)
    truth = some.answerable.astype(np.float64)

    def loss(weights: Float64Array) -> tuple[float, Float64Array]:
        log_odds = columns @ weights
        # A pinch of ridge, so that scores that part perfectly have finite weights.
        ridge = 1e-4 * np.append(weights[:2], 0.0)
        chances = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
        value = float(np.mean(np.logaddexp(0, log_odds) - truth * log_odds) + ridge @ weights / 2)
        return value, columns.T @ (chances - truth) / len(truth) + ridge

    weights = minimize(loss, np.zeros(3), jac=True, method="L-BFGS-B").x
    score, size = (weights[:2] / spread).tolist()
    return score, size, float(weights[2] - middle @ (weights[:2] / spread))


def _fit_share(held: Trials) -> tuple[float, float]:
    """Contrast and clear score by the trials that hold their answer, on scores of unit spread."""
    from scipy.optimize import minimize

    middle = float(held.best[:, 0].mean())
    spread = float(held.best[:, 0].std()) or 1.0
    best = (held.best.astype(np.float64) - middle) / spread
    right = held.right[:, :HITS] & np.isfinite(best[:, :HITS])
    present = np.isfinite(best[:, :HITS])

    def loss(parameters: Float64Array) -> float:
        share = Calibration("", 1.0, 0.0, 0.0, float(np.exp(parameters[0])), float(parameters[1]), 0.0).shares(
            best[:, :HITS], best
        )
        chances = np.clip(share[present], 1e-9, 1 - 1e-9)
        truth = right[present]
        return float(-(np.log(chances[truth]).sum() + np.log1p(-chances[~truth]).sum()) / len(best))

    # The clear score is bounded: where every expression fits one instance only, none would be clear enough.
    found = minimize(loss, np.array([0.0, 2.0]), method="L-BFGS-B", bounds=[(-4, 4), (-5, 20)]).x
    return float(np.exp(found[0])) / spread, float(found[1]) * spread + middle


def _folds(dataset: Dataset, trials: Trials, seed: int) -> npt.NDArray[np.int64]:
    """The fold (T,) of each trial: expressions of one picture stand in the same fold."""
    names = [query.file_name for query in (*dataset.queries, *dataset.ambiguous)]
    of_name = dict(
        zip(dict.fromkeys(names), np.random.default_rng(seed).permutation(len(set(names))).tolist(), strict=True)
    )
    return np.array([of_name[names[number]] % _FOLDS for number in trials.queries.tolist()], dtype=np.int64)


def _anything(parts: Sequence[Calibration], trials: Trials, folds: npt.NDArray[np.int64]) -> Float64Array:
    """The chance (T,) that anything fits, by the part that was fitted without the trial's fold."""
    chances = np.empty(len(trials))
    for fold, part in enumerate(parts):
        own = trials.chosen(folds == fold)
        chances[folds == fold] = part.anything_fits(own.best, own.instances)
    return chances


def _threshold(chances: Float64Array, answerable: npt.NDArray[np.bool_], precision: float) -> float:
    """The highest chance below which "nothing fits" has the wanted precision."""
    order = np.argsort(chances, kind="stable")
    shares = np.cumsum(~answerable[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(shares >= precision)
    if len(enough) == 0:
        return 0.0
    last = int(enough[-1])
    following = chances[order[last + 1]] if last + 1 < len(order) else 1.0
    return float(min(following, _HIGHEST_THRESHOLD))


def _figures(
    parts: Sequence[Calibration],
    trials: Trials,
    folds: npt.NDArray[np.int64],
    size: int,
    threshold: float,
    seed: int,
) -> SizeFigures:
    """Figures at one size; of each expression one trial is taken at random, so that half of them have no answer."""
    chances, right, said, unanswerable, instances = [], [], [], [], []
    sides = np.random.default_rng(seed).random(int(trials.queries.max()) + 1) < 0.5
    taken = (trials.pictures == size) & (trials.answerable == sides[trials.queries])
    for fold, part in enumerate(parts):
        own = trials.chosen(taken & (folds == fold))
        chances.append(part.probabilities(own.best[:, :1], own.best, own.instances)[:, 0])
        right.append(own.right[:, 0])
        said.append(part.anything_fits(own.best, own.instances) < threshold)
        unanswerable.append(~own.answerable)
        instances.append(own.instances)
    return SizeFigures(
        size,
        round(float(np.concatenate(instances).mean())),
        reliability(np.concatenate(chances), np.concatenate(right), seed=seed),
        no_match_figures(np.concatenate(said), np.concatenate(unanswerable), seed=seed),
    )
