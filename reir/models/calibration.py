"""From scores to chances: what a calibrated model knows of its own scores. numpy only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reir.errors import CalibrationError

Float64Array = npt.NDArray[np.float64]

CALIBRATION_FILE = "calibration.json"
"""Beside a model's weights. It is no part of the model's fingerprint: indexes outlive a new calibration."""

DEPTH = 32
"""Best instances of the gallery that an answer is judged by. A fixed number, so that chances depend on neither the
page nor its length."""

_FORMAT = 1
_NOTHING = 1e-300
"""Stands for no rival at all, where a logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Chances from the scores of one model: five numbers and a threshold.

    Two questions are answered one after the other, so that no hit is ever more likely than that anything fits::

        P(anything fits) = sigmoid(score * s_1 + size * log N + offset) * read
        P(hit i fits)    = P(anything fits) * e_i / (e_i + C_i)          e_j = exp(contrast * s_j)

    ``s_1`` is the best score, ``N`` the number of instances searched (extremes of more draws lie higher: ``size`` is
    negative), ``read`` the share of the expression's words that the model knows. ``C_i`` is what the other instances
    among the best ``depth`` weigh together, the sum of their ``e_j``, but no more than one instance of ``clear_score``
    would: half the harmonic mean of the two. Below ``clear_score`` hits compete, as they do when one of them is meant
    and the margins decide; above it a hit fits by itself, however many others do, as with "a dog" in a gallery
    of many dogs.

    In one answer a better score never has a lower chance, and equal scores have equal ones.
    """

    fingerprint: str
    """Of the model whose scores these are."""
    score: float
    size: float
    offset: float
    contrast: float
    clear_score: float
    threshold: float
    """Nothing fits where the chance that anything does is below it."""
    depth: int = DEPTH
    made: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """On what it was made: data set, number of queries, sizes of the galleries, wanted precision."""

    def __post_init__(self) -> None:
        numbers = (self.score, self.size, self.offset, self.contrast, self.clear_score)
        if not np.isfinite(numbers).all():
            raise ValueError(f"a calibration has finite numbers, got {numbers}")
        if self.score <= 0 or self.contrast <= 0:
            raise ValueError(f"higher scores must be better, got score {self.score} and contrast {self.contrast}")
        if not 0 <= self.threshold <= 1 or self.depth < 1:
            raise ValueError(f"a threshold lies in [0, 1] and depth above 0, got {self.threshold} and {self.depth}")

    def anything_fits(
        self, best: npt.ArrayLike, instances: npt.ArrayLike, *, read: npt.ArrayLike = 1.0
    ) -> Float64Array:
        """The chance (...) that the gallery holds what is described.

        Args:
            best: scores (..., M) of the best instances of the whole gallery, descending, M <= ``depth``; -inf where
                there are fewer.
            instances: how many instances (...) were searched.
            read: share (...) of the expression's words that the model knows.
        """
        best = np.asarray(best, dtype=np.float64)
        instances, read = np.asarray(instances, dtype=np.float64), np.asarray(read, dtype=np.float64)
        if best.shape[-1] == 0:
            return np.zeros(best.shape[:-1])
        log_odds = self.score * best[..., 0] + self.size * np.log(np.maximum(instances, 1.0)) + self.offset
        return read * _sigmoid(log_odds)

    def no_match(self, best: npt.ArrayLike, instances: int, *, read: float = 1.0) -> bool:
        """Whether nothing in the gallery seems to fit. Arguments as for `anything_fits`, of one answer."""
        return bool(self.anything_fits(best, instances, read=read) < self.threshold)

    def probabilities(
        self, scores: npt.ArrayLike, best: npt.ArrayLike, instances: npt.ArrayLike, *, read: npt.ArrayLike = 1.0
    ) -> Float64Array:
        """The chance (..., K) of hits with these ``scores`` (..., K) that they fit.

        They may stand anywhere in the ranking; the other arguments are those of `anything_fits`.
        """
        scores, best = np.asarray(scores, dtype=np.float64), np.asarray(best, dtype=np.float64)
        if scores.shape[-1] == 0 or best.shape[-1] == 0:
            return np.zeros(scores.shape)
        return self.anything_fits(best, instances, read=read)[..., None] * self.shares(scores, best)

    def shares(self, scores: Float64Array, best: Float64Array) -> Float64Array:
        """The chance (..., K) of each hit if anything fits; ``best`` (..., M) holds at least one score."""
        first = best[..., :1]
        weights = np.exp(self.contrast * (scores - first))
        everything = np.exp(self.contrast * (best - first)).sum(axis=-1, keepdims=True)
        # A hit among the best is not its own rival; by its score, so that equal scores stay equal.
        rivals = np.maximum(everything - np.where(scores >= best[..., -1:], weights, 0.0), _NOTHING)
        clear = self.contrast * (self.clear_score - first)
        return _sigmoid(self.contrast * (scores - first) + np.logaddexp(-np.log(rivals), -clear))

    def to_json(self) -> dict[str, Any]:
        """The object that is stored."""
        return {"format": _FORMAT, **asdict(self)}

    def save(self, path: Path) -> None:
        """Write it as one JSON object.

        Raises:
            CalibrationError: the file cannot be written.
        """
        partial = path.with_name(f"{path.name}.partial")
        try:
            partial.write_text(json.dumps(self.to_json(), indent=1) + "\n")
            partial.replace(path)
        except OSError as error:
            raise CalibrationError(f"{path} cannot be written: {error.strerror}. Choose another file: --out") from error

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """The calibration that was saved as ``path``.

        Raises:
            CalibrationError: the file is missing, cut off, or not a calibration.
        """
        try:
            record = json.loads(path.read_text())
            if record.pop("format") != _FORMAT:
                raise ValueError(f"its format is not {_FORMAT}")
            return cls(**{entry.name: record[entry.name] for entry in fields(cls)})
        except OSError as error:
            raise CalibrationError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CalibrationError(
                f"{path} is not a calibration: {error}. Make it again with: reir models calibrate"
            ) from error


def _sigmoid(log_odds: Float64Array) -> Float64Array:
    # exp of a negative number cannot overflow.
    small = np.exp(-np.abs(log_odds))
    chance: Float64Array = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    return chance
