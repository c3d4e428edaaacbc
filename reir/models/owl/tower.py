"""OWL's text tower in numpy: a sentence needs sixteen tokens through twelve small layers, and no torch.

Importing torch and transformers' model classes takes ten seconds, and reading the whole network as many; a query is
encoded by a few matrix products. The numbers are those of ``OwlViTTextTransformer`` and ``text_projection`` (equal in
both families); the tests hold them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reir.errors import UsageError
from reir.models.owl.folder import OwlFolder, TextShape
from reir.types import FloatArray, IntArray

ROWS = 64
"""Texts that go through the tower together; more would only take memory."""


class TextTower:
    """A causal transformer over token ids, its weights named as in the folder, in float32."""

    def __init__(self, weights: Mapping[str, FloatArray], shape: TextShape) -> None:
        self._weights = weights
        self._shape = shape

    @classmethod
    def load(cls, folder: OwlFolder) -> TextTower:
        """The tower of a folder; nothing else of its weights is read.

        Raises:
            UsageError: the weights are damaged, or are not those of this config.json.
        """
        prefix = f"{folder.family}."
        wanted = (f"{prefix}text_model.", f"{prefix}text_projection.")
        try:
            read = _read_safetensors if folder.weights.endswith(".safetensors") else _read_pickle
            weights = read(folder, wanted)
        except Exception as error:  # Both readers have errors of their own for a damaged file.
            raise UsageError(f"{folder.path / folder.weights} cannot be read ({error}). Copy it again") from error
        return cls({name.removeprefix(prefix): array for name, array in weights.items()}, folder.text)

    def embed(self, ids: IntArray) -> FloatArray:
        """The texts' unit embeddings (Q, E) float32 of token ids (Q, T) int64."""
        parts = [self._embed(ids[start : start + ROWS]) for start in range(0, len(ids), ROWS)]
        width = len(self._weights["text_projection.weight"])
        return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)

    def _embed(self, ids: IntArray) -> FloatArray:
        weights, shape = self._weights, self._shape
        tokens = ids.shape[1]
        x = weights["text_model.embeddings.token_embedding.weight"][ids]  # (Q, T, W)
        x = x + weights["text_model.embeddings.position_embedding.weight"][:tokens]
        for layer in range(shape.layers):
            name = f"text_model.encoder.layers.{layer}"
            x = x + self._attend(self._normalise(x, f"{name}.layer_norm1"), f"{name}.self_attn")
            hidden = self._linear(self._normalise(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
            x = x + self._linear(_quick_gelu(hidden), f"{name}.mlp.fc2")
        # The end token has the highest number. Tokens look only back, so the padding behind it changes nothing.
        last = x[np.arange(len(ids)), ids.argmax(axis=1)]
        embedded = self._normalise(last, "text_model.final_layer_norm") @ weights["text_projection.weight"].T
        # Normalised twice, as the library does: by the model, then by the class head with an epsilon.
        embedded = embedded / np.linalg.norm(embedded, axis=-1, keepdims=True)
        unit: FloatArray = embedded / (np.linalg.norm(embedded, axis=-1, keepdims=True) + 1e-6)
        return unit.astype(np.float32, copy=False)

    def _attend(self, x: FloatArray, name: str) -> FloatArray:
        queries, keys, values = (self._heads(self._linear(x, f"{name}.{part}_proj")) for part in "qkv")
        tokens, depth = queries.shape[-2:]
        scores = (queries @ keys.swapaxes(-1, -2)) * np.float32(depth**-0.5)  # (Q, H, T, T)
        scores = np.where(np.tri(tokens, dtype=bool), scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ values
        return self._linear(mixed.swapaxes(1, 2).reshape(x.shape), f"{name}.out_proj")

    def _heads(self, x: FloatArray) -> FloatArray:
        return x.reshape(*x.shape[:2], self._shape.heads, -1).swapaxes(1, 2)  # (Q, H, T, W / H)

    def _linear(self, x: FloatArray, name: str) -> FloatArray:
        product: FloatArray = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _normalise(self, x: FloatArray, name: str) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        normal: FloatArray = centred / np.sqrt(variance + np.float32(self._shape.epsilon))
        return normal * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _quick_gelu(x: FloatArray) -> FloatArray:
    """The activation: x times the logistic function of 1.702 x, its exponent bounded where float32 would overflow."""
    gate: FloatArray = x / (1 + np.exp(np.minimum(np.float32(-1.702) * x, np.float32(80))))
    return gate


def _read_safetensors(folder: OwlFolder, wanted: tuple[str, ...]) -> dict[str, FloatArray]:
    from safetensors import safe_open

    with safe_open(str(folder.path / folder.weights), framework="numpy") as file:
        return {
            name: file.get_tensor(name).astype(np.float32, copy=False)
            for name in file.keys()  # noqa: SIM118, it is no mapping
            if name.startswith(wanted) and not name.endswith("position_ids")
        }


def _read_pickle(folder: OwlFolder, wanted: tuple[str, ...]) -> dict[str, FloatArray]:
    import torch

    state = torch.load(folder.path / folder.weights, map_location="cpu", mmap=True, weights_only=True)
    return {
        name: tensor.float().numpy()
        for name, tensor in state.items()
        if name.startswith(wanted) and not name.endswith("position_ids")
    }
