"""CLIP's text tower in numpy: a query is a few matrix products, and importing torch and open_clip takes ten seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reir.models.towers.clip_words import VOCABULARY_SIZE, ClipWords
from reir.models.towers.source import TowerSource
from reir.types import FloatArray

ROWS = 64
"""Texts that go through the tower together."""
_PLAIN = frozenset({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"})
"""Settings of a text tower that is CLIP's own but for its size: any other asks for open_clip."""
_EPSILON = np.float32(1e-5)


class ClipText:
    """The text half of a CLIP or EVA-CLIP: the numbers of ``open_clip.CLIP.encode_text``, to float32's rounding.

    Its attention looks only back, so texts are padded to the longest of them, not to the context length.
    """

    def __init__(self, weights: Mapping[str, FloatArray], *, heads: int, layers: int, quick_gelu: bool) -> None:
        self._weights = weights
        self._heads, self._layers, self._quick_gelu = heads, layers, quick_gelu
        self.words = ClipWords(len(weights["positional_embedding"]))

    @classmethod
    def load(cls, source: TowerSource) -> ClipText | None:
        """The text half of a tower, or None where it is another kind than CLIP's or its weights are no safetensors."""
        config = source.model_config
        text = config["text_cfg"]
        plain = set(text) <= _PLAIN and source.vocabulary is None and text.get("vocab_size") == VOCABULARY_SIZE
        if not plain or "multimodal_cfg" in config or source.weights.suffix != ".safetensors":
            return None
        layers, heads = int(text.get("layers", 12)), int(text.get("heads", 8))
        weights = _read(source.weights, layers)
        shape = (source.context_length, int(text.get("width", 512)))
        if weights is None or weights["positional_embedding"].shape != shape:
            return None
        quick = source.quick_gelu or bool(config.get("quick_gelu", False))
        return cls(weights, heads=heads, layers=layers, quick_gelu=quick)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """The unit embeddings (Q, E) float32 of texts; Q at least 1."""
        return np.concatenate([self._embed(texts[start : start + ROWS]) for start in range(0, len(texts), ROWS)])

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        weights = self._weights
        ids = self.words.encode(texts)  # (Q, T)
        x = weights["token_embedding.weight"][ids] + weights["positional_embedding"][: ids.shape[1]]  # (Q, T, W)
        for layer in range(self._layers):
            name = f"transformer.resblocks.{layer}"
            x = x + self._attend(self._normalise(x, f"{name}.ln_1"), f"{name}.attn")
            hidden = self._activate(self._linear(self._normalise(x, f"{name}.ln_2"), f"{name}.mlp.c_fc."))
            x = x + self._linear(hidden, f"{name}.mlp.c_proj.")
        # The end mark has the highest number.
        last = x[np.arange(len(ids)), ids.argmax(axis=1)]
        rows = self._normalise(last, "ln_final") @ weights["text_projection"]
        unit: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12))
        return unit.astype(np.float32, copy=False)

    def _attend(self, x: FloatArray, name: str) -> FloatArray:
        count, tokens, width = x.shape
        mixed = self._linear(x, f"{name}.in_proj_").reshape(count, tokens, 3, self._heads, width // self._heads)
        queries, keys, values = mixed.transpose(2, 0, 3, 1, 4)  # each (Q, H, T, W / H)
        scores = (queries @ keys.swapaxes(-1, -2)) * np.float32((width // self._heads) ** -0.5)  # (Q, H, T, T)
        scores = np.where(np.tri(tokens, dtype=bool), scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        looked = (scores / scores.sum(axis=-1, keepdims=True)) @ values
        return self._linear(looked.swapaxes(1, 2).reshape(x.shape), f"{name}.out_proj.")

    def _activate(self, x: FloatArray) -> FloatArray:
        if self._quick_gelu:
            # The exponent is bounded where float32 would overflow.
            gate: FloatArray = x / (1 + np.exp(np.minimum(np.float32(-1.702) * x, np.float32(80))))
            return gate
        from scipy.special import erf

        smooth: FloatArray = x * (1 + erf(x * np.float32(2**-0.5))) * np.float32(0.5)
        return smooth

    def _linear(self, x: FloatArray, name: str) -> FloatArray:
        product: FloatArray = x @ self._weights[f"{name}weight"].T + self._weights[f"{name}bias"]
        return product

    def _normalise(self, x: FloatArray, name: str) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        normal: FloatArray = centred / np.sqrt(variance + _EPSILON)
        return normal * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _read(path: Path, layers: int) -> dict[str, FloatArray] | None:
    """The tower's weights by open_clip's names, or None where the file has them in another form."""
    from safetensors import SafetensorError, safe_open

    block = (
        *("ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight"),
        *("attn.out_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias"),
        *("mlp.c_proj.weight", "mlp.c_proj.bias"),
    )
    names = [f"transformer.resblocks.{layer}.{name}" for layer in range(layers) for name in block]
    names += ["token_embedding.weight", "positional_embedding", "ln_final.weight", "ln_final.bias", "text_projection"]
    try:
        with safe_open(str(path), framework="numpy") as file:
            # Towers of other makers keep their text half apart.
            prefix = "text." if "text.positional_embedding" in file.keys() else ""  # noqa: SIM118
            return {name: file.get_tensor(prefix + name).astype(np.float32, copy=False) for name in names}
    except (SafetensorError, TypeError):  # another layout, or numbers that numpy does not know (bfloat16)
        return None
