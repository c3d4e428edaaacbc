"""Equations 2 to 6 of TAS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from reir.models.sam_clip.scores import BLEND
from reir.text import same_thing, subject_of
from reir.types import FloatArray


@dataclass(frozen=True, slots=True)
class Weights:
    """α and λ of equation 5, None for those of the search's blend, and from which path similarity a phrase is left out.

    ``similarity`` 1 asks for one meaning that phrase and subject share, as the paper's strict rule does.
    """

    alpha: float | None = None
    lambda_: float | None = None
    similarity: float = 1.0

    def of_search(self, blend: Mapping[str, float]) -> tuple[float, float]:
        """α and λ: as given to the stage, else of the search, else 0.1 and 0.7 (TAS, section 4.2)."""
        alpha = blend.get("alpha", BLEND["alpha"]) if self.alpha is None else self.alpha
        lambda_ = blend.get("lambda", BLEND["lambda"]) if self.lambda_ is None else self.lambda_
        return alpha, lambda_


@dataclass(frozen=True, slots=True)
class Parts:
    """The scores of one mask: V (equation 2), P (3) and N (4), the latter two None where nothing was captioned.

    ``left_out`` are the phrases that mean the expression's subject; ``left_over`` counts those that remain.
    """

    v: float
    p: float | None = None
    n: float | None = None
    left_out: tuple[str, ...] = ()
    left_over: int = 0

    def total(self, alpha: float, lambda_: float) -> float:
        """S = V + αP + λN (equation 5); the best hit is the one with the largest (equation 6)."""
        return self.v + alpha * (self.p or 0.0) + lambda_ * (self.n or 0.0)

    def note(self, score: float) -> dict[str, Any]:
        """What the stage tells of it."""
        told: dict[str, Any] = {"v": self.v, "p": self.p, "n": self.n, "score": score}
        if self.n is None:
            return {**told, "why": "without a captioner there is the V-score alone"}
        told["left_out"] = list(self.left_out)
        if not self.left_over:
            told["why"] = (
                "every noun phrase of the picture's caption means the subject: N is 0"
                if self.left_out
                else "the picture's caption has no noun phrase: N is 0"
            )
        return told


def parts_of(
    v: float, p: float, phrases: Sequence[str], cosines: FloatArray, *, subject: str | None, similarity: float
) -> Parts:
    """V, P and N of one mask: N is minus the mean of its ``cosines`` (T,) to the phrases that do not mean the subject.

    0 where no phrase remains. *Differs from the paper*, which does not say what N is then: the score of the other two.
    """
    kept, left_out = split_phrases(tuple(phrases), subject, similarity)
    n = -float(np.mean(np.asarray(cosines, dtype=np.float64)[list(kept)])) if kept else 0.0
    return Parts(v, p, n, left_out, len(kept))


def subject_noun(expression: str, reader: str) -> str | None:
    """The noun of what the expression points at, by the reader that read the captions; None where it names nothing."""
    return subject_of(expression, reader=reader).noun


@lru_cache(maxsize=4096)
def split_phrases(
    phrases: tuple[str, ...], subject: str | None, similarity: float
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The places of the phrases that are kept, and the phrases that mean the subject.

    Remembered: the hits of one picture share its phrases, and the pages of one search its subject.
    """
    if subject is None:
        return tuple(range(len(phrases))), ()
    same = [same_thing(phrase, subject, least=similarity) for phrase in phrases]
    kept = tuple(place for place, means_it in enumerate(same) if not means_it)
    return kept, tuple(phrase for phrase, means_it in zip(phrases, same, strict=True) if means_it)
