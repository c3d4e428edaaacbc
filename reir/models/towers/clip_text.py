"""The text half of a tower that is CLIP's own, read from open_clip's weights without open_clip or torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reir.models.clip_text import Affine, ClipTextNetwork, TextLayer
from reir.models.towers.clip_words import VOCABULARY_SIZE, ClipWords
from reir.models.towers.source import TowerSource
from reir.types import FloatArray

_PLAIN = frozenset({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"})
"""Settings of a text tower that is CLIP's own but for its size: any other asks for open_clip."""


class ClipText:
    """The text half of a CLIP or EVA-CLIP: the numbers of ``open_clip.CLIP.encode_text``, to float32's rounding."""

    def __init__(self, network: ClipTextNetwork, words: ClipWords) -> None:
        self._network = network
        self.words = words

    @classmethod
    def load(cls, source: TowerSource) -> ClipText | None:
        """The text half of a tower, or None where it is another kind than CLIP's or its weights are no safetensors."""
        config = source.model_config
        text = config["text_cfg"]
        plain = set(text) <= _PLAIN and source.vocabulary is None and text.get("vocab_size") == VOCABULARY_SIZE
        if not plain or "multimodal_cfg" in config or source.weights.suffix != ".safetensors":
            return None
        layers = int(text.get("layers", 12))
        weights = _read(source.weights, layers)
        shape = (source.context_length, int(text.get("width", 512)))
        if weights is None or weights["positional_embedding"].shape != shape:
            return None
        network = ClipTextNetwork(
            tokens=weights["token_embedding.weight"],
            positions=weights["positional_embedding"],
            layers=[_layer(weights, f"transformer.resblocks.{layer}") for layer in range(layers)],
            norm=_affine(weights, "ln_final."),
            projection=weights["text_projection"],
            heads=int(text.get("heads", 8)),
            quick_gelu=source.quick_gelu or bool(config.get("quick_gelu", False)),
        )
        return cls(network, ClipWords(source.context_length))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """The unit embeddings (Q, E) float32 of texts."""
        rows = self._network.embed(self.words.encode(texts))
        unit: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), np.float32(1e-12))
        return unit.astype(np.float32, copy=False)


def _layer(weights: Mapping[str, FloatArray], name: str) -> TextLayer:
    return TextLayer(
        norm_before_attention=_affine(weights, f"{name}.ln_1."),
        queries_keys_values=_affine(weights, f"{name}.attn.in_proj_"),
        attended=_affine(weights, f"{name}.attn.out_proj."),
        norm_before_perceptron=_affine(weights, f"{name}.ln_2."),
        widen=_affine(weights, f"{name}.mlp.c_fc."),
        narrow=_affine(weights, f"{name}.mlp.c_proj."),
    )


def _affine(weights: Mapping[str, FloatArray], name: str) -> Affine:
    return Affine(weights[f"{name}weight"], weights[f"{name}bias"])


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
