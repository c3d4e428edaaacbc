"""TAS's score as an inner product: what is stored of a mask, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reir.models.blend import read_blend
from reir.types import FloatArray

BLEND: Mapping[str, float] = {"alpha": 0.1, "lambda": 0.7}
"""The paper's α for all data sets, and its λ for RefCOCO and RefCOCO+ (section 4.2; 1 for RefCOCOg)."""
_RANGE = (-10.0, 10.0)


class Layout:
    """How v, p and n become vectors, for a tower of E numbers.

    The score (equation 5) is cos(v, q) + α cos(p, q) + λ n, with v the embedding of the masked crop, p that of its
    caption, q the expression's, and n the N-score. So an instance is ``[v, p, n]`` and a query ``[q, α q, λ]``: α and
    λ stay free until the query. Without captions both are the embedding alone.
    """

    def __init__(self, embedding: int, *, captions: bool) -> None:
        self._embedding = embedding
        self._captions = captions

    @property
    def dimension(self) -> int:
        """E, with captions 2 E + 1."""
        return 2 * self._embedding + 1 if self._captions else self._embedding

    @property
    def blend(self) -> Mapping[str, float]:
        """``alpha`` and ``lambda`` with captions, else nothing."""
        return dict(BLEND) if self._captions else {}

    def instances(self, crops: FloatArray, captions: FloatArray | None, negatives: FloatArray | None) -> FloatArray:
        """Vectors (N, D) of crops v (N, E), captions p (N, E) and N-scores n (N,)."""
        if captions is None or negatives is None:
            return crops
        return np.concatenate([crops, captions, negatives[:, None]], axis=1).astype(np.float32)

    def texts(self, units: FloatArray, blend: Mapping[str, float] | None = None) -> FloatArray:
        """Query vectors (Q, D) of the unit embeddings (Q, E) of expressions.

        Raises:
            UsageError: ``blend`` has an unknown number, or one that is out of range.
        """
        numbers = read_blend(blend, self.blend, dict.fromkeys(BLEND, _RANGE))
        if not self._captions:
            return units
        weight = np.full((len(units), 1), numbers["lambda"], dtype=np.float32)
        return np.concatenate([units, np.float32(numbers["alpha"]) * units, weight], axis=1)

    def crops(self, units: FloatArray) -> FloatArray:
        """Query vectors (Q, D) of the unit embeddings (Q, E) of crops: compared with v alone."""
        rest = np.zeros((len(units), self.dimension - self._embedding), dtype=np.float32)
        return np.concatenate([units, rest], axis=1)

    def crop_part(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings v (N, E) within stored vectors (N, D), back at length 1."""
        return _units(np.asarray(vectors, dtype=np.float32)[:, : self._embedding])

    def caption_part(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings p (N, E) within stored vectors (N, D) with captions, back at length 1."""
        return _units(np.asarray(vectors, dtype=np.float32)[:, self._embedding : 2 * self._embedding])


def negative_scores(cosines: FloatArray) -> FloatArray:
    """N-scores (N,): minus the mean over the phrases of cosines (N, T); 0 where the picture's caption has no phrase.

    Equation 4 over *all* noun phrases. *Differs from the paper*: it leaves out those that mean the expression's
    subject, which are not known before the query; the stage that computes it exactly has phrases and cosines.
    """
    if cosines.shape[1] == 0:
        return np.zeros(len(cosines), dtype=np.float32)
    negatives: FloatArray = -cosines.mean(axis=1, dtype=np.float32)
    return negatives


def _units(rows: FloatArray) -> FloatArray:
    units: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return units
