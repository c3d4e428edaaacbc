"""OWL's text tower, read from a folder: CLIP's, under transformers' names.

The numbers are those of ``OwlViTTextTransformer`` and ``text_projection`` (equal in both families); the tests hold them
side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reir.errors import UsageError
from reir.models.clip_text import Affine, ClipTextNetwork, TextLayer
from reir.models.owl.folder import OwlFolder
from reir.types import FloatArray, IntArray


class TextTower:
    """Token ids to unit embeddings by the text half of a folder."""

    def __init__(self, network: ClipTextNetwork) -> None:
        self._network = network

    @classmethod
    def load(cls, folder: OwlFolder) -> TextTower:
        """The tower of a folder; nothing else of its weights is read.

        Raises:
            UsageError: the weights are damaged, or are not those of this config.json.
        """
        wanted = (f"{folder.family}.text_model.", f"{folder.family}.text_projection.")
        try:
            read = _read_safetensors if folder.weights.endswith(".safetensors") else _read_pickle
            return cls(_network(read(folder, wanted), folder))
        except Exception as error:  # Both readers have errors of their own for a damaged file.
            raise UsageError(f"{folder.path / folder.weights} cannot be read ({error}). Copy it again") from error

    def embed(self, ids: IntArray) -> FloatArray:
        """The texts' unit embeddings (Q, E) float32 of token ids (Q, T) int64."""
        embedded = self._network.embed(ids)
        # Normalised twice, as the library does: by the model, then by the class head with an epsilon.
        embedded = embedded / np.linalg.norm(embedded, axis=-1, keepdims=True)
        unit: FloatArray = embedded / (np.linalg.norm(embedded, axis=-1, keepdims=True) + 1e-6)
        return unit.astype(np.float32, copy=False)


def _network(weights: Mapping[str, FloatArray], folder: OwlFolder) -> ClipTextNetwork:
    named = {name.removeprefix(f"{folder.family}."): array for name, array in weights.items()}
    return ClipTextNetwork(
        tokens=named["text_model.embeddings.token_embedding.weight"],
        positions=named["text_model.embeddings.position_embedding.weight"],
        layers=[_layer(named, f"text_model.encoder.layers.{layer}") for layer in range(folder.text.layers)],
        norm=_affine(named, "text_model.final_layer_norm"),
        projection=named["text_projection.weight"].T,
        heads=folder.text.heads,
        epsilon=folder.text.epsilon,
        quick_gelu=True,
    )


def _layer(weights: Mapping[str, FloatArray], name: str) -> TextLayer:
    parts = [_affine(weights, f"{name}.self_attn.{part}_proj") for part in "qkv"]
    joined = Affine(np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts]))
    return TextLayer(
        norm_before_attention=_affine(weights, f"{name}.layer_norm1"),
        queries_keys_values=joined,
        attended=_affine(weights, f"{name}.self_attn.out_proj"),
        norm_before_perceptron=_affine(weights, f"{name}.layer_norm2"),
        widen=_affine(weights, f"{name}.mlp.fc1"),
        narrow=_affine(weights, f"{name}.mlp.fc2"),
    )


def _affine(weights: Mapping[str, FloatArray], name: str) -> Affine:
    return Affine(weights[f"{name}.weight"], weights[f"{name}.bias"])


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
