"""CLIP's text transformer in numpy: a query is a few matrix products, and importing torch would take far longer.

The text halves of CLIP, EVA-CLIP, OWL-ViT and OWLv2 are this network with other sizes and other names for its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reir.types import FloatArray, IntArray

ROWS = 64
"""Texts that go through the network together; more would only take memory."""


class Affine(NamedTuple):
    """A linear map, weight (out, in) and bias (out,), or the scale and shift (W,) of a normalisation."""

    weight: FloatArray
    bias: FloatArray


class TextLayer(NamedTuple):
    """One layer: attention and a two-map perceptron, each behind a normalisation."""

    norm_before_attention: Affine
    queries_keys_values: Affine
    """(3 W, W), in this order."""
    attended: Affine
    norm_before_perceptron: Affine
    widen: Affine
    narrow: Affine


class ClipTextNetwork:
    """Token ids to embeddings, in float32.

    Tokens look only back, so texts need to be padded to the longest of them only, and padding changes nothing.

    Args:
        tokens: their embeddings (V, W).
        positions: embeddings of the places (T, W).
        layers: the transformer.
        norm: the last normalisation.
        projection: (W, E), of the end token, which has the highest number.
        heads: of the attention.
        epsilon: of all normalisations.
        quick_gelu: OpenAI's activation x σ(1.702 x) instead of the exact GELU.
    """

    def __init__(
        self,
        *,
        tokens: FloatArray,
        positions: FloatArray,
        layers: Sequence[TextLayer],
        norm: Affine,
        projection: FloatArray,
        heads: int,
        epsilon: float = 1e-5,
        quick_gelu: bool,
    ) -> None:
        self._tokens, self._positions, self._layers = tokens, positions, layers
        self._norm, self._projection, self._heads = norm, projection, heads
        self._epsilon, self._quick_gelu = np.float32(epsilon), quick_gelu

    def embed(self, ids: IntArray) -> FloatArray:
        """The texts' embeddings (Q, E) float32, of any length, from token ids (Q, T)."""
        parts = [self._embed(ids[start : start + ROWS]) for start in range(0, len(ids), ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, self._projection.shape[1]), dtype=np.float32)

    def _embed(self, ids: IntArray) -> FloatArray:
        x = self._tokens[ids] + self._positions[: ids.shape[1]]  # (Q, T, W)
        for layer in self._layers:
            x = x + self._attend(self._normalise(x, layer.norm_before_attention), layer)
            hidden = self._activate(_apply(layer.widen, self._normalise(x, layer.norm_before_perceptron)))
            x = x + _apply(layer.narrow, hidden)
        last = x[np.arange(len(ids)), ids.argmax(axis=1)]
        embedded: FloatArray = self._normalise(last, self._norm) @ self._projection
        return embedded

    def _attend(self, x: FloatArray, layer: TextLayer) -> FloatArray:
        count, tokens, width = x.shape
        depth = width // self._heads
        mixed = _apply(layer.queries_keys_values, x).reshape(count, tokens, 3, self._heads, depth)
        queries, keys, values = mixed.transpose(2, 0, 3, 1, 4)  # each (Q, H, T, W / H)
        scores = (queries @ keys.swapaxes(-1, -2)) * np.float32(depth**-0.5)  # (Q, H, T, T)
        scores = np.where(np.tri(tokens, dtype=bool), scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        looked = (scores / scores.sum(axis=-1, keepdims=True)) @ values
        return _apply(layer.attended, looked.swapaxes(1, 2).reshape(x.shape))

    def _activate(self, x: FloatArray) -> FloatArray:
        if self._quick_gelu:
            # The exponent is bounded where float32 would overflow.
            gate: FloatArray = x / (1 + np.exp(np.minimum(np.float32(-1.702) * x, np.float32(80))))
            return gate
        from scipy.special import erf

        smooth: FloatArray = x * (1 + erf(x * np.float32(2**-0.5))) * np.float32(0.5)
        return smooth

    def _normalise(self, x: FloatArray, norm: Affine) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        normal: FloatArray = centred / np.sqrt(variance + self._epsilon)
        return normal * norm.weight + norm.bias


def _apply(linear: Affine, x: FloatArray) -> FloatArray:
    product: FloatArray = x @ linear.weight.T + linear.bias
    return product
